{{/*
YAML to TOML. Numbers of YAML are floating to Helm, which its own toToml writes as 7070.0, and the
programs want whole ones.
*/}}

{{/* A key, or the keys of a path. */}}
{{- define "crmscope.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toRawJson . }}{{ end }}
{{- end }}

{{/* table, tables or value. Empty lists are values. */}}
{{- define "crmscope.toml.kind" -}}
{{- if kindIs "map" . -}}
table
{{- else if and (kindIs "slice" .) (gt (len .) 0) -}}
{{- $tables := true -}}
{{- range . }}{{ if not (kindIs "map" .) }}{{ $tables = false }}{{ end }}{{ end -}}
{{- ternary "tables" "value" $tables -}}
{{- else -}}
value
{{- end -}}
{{- end }}

{{- define "crmscope.toml.value" -}}
{{- if kindIs "map" . -}}
{{- $pairs := list -}}
{{- range $key, $value := . }}{{ $pairs = append $pairs (printf "%s = %s" (include "crmscope.toml.key" $key) (include "crmscope.toml.value" $value)) }}{{ end -}}
{ {{ join ", " $pairs }} }
{{- else if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . }}{{ $items = append $items (include "crmscope.toml.value" .) }}{{ end -}}
[{{ join ", " $items }}]
{{- else if kindIs "bool" . -}}
{{ . }}
{{- else if eq (typeOf .) "json.Number" -}}
{{ toString . }}
{{- else if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ printf "%v" . }}{{ end -}}
{{- else if kindIs "string" . -}}
{{ toRawJson . }}
{{- else -}}
{{ printf "%v" . }}
{{- end -}}
{{- end }}

{{/* Arguments: path (a list of keys), table. Nothing is written of what is null. */}}
{{- define "crmscope.toml" -}}
{{- $path := .path -}}
{{- $table := .table -}}
{{- range $key := keys $table | sortAlpha }}
{{- $value := get $table $key }}
{{- if and (not (kindIs "invalid" $value)) (eq (include "crmscope.toml.kind" $value) "value") }}
{{ include "crmscope.toml.key" $key }} = {{ include "crmscope.toml.value" $value }}
{{- end }}
{{- end }}
{{- range $key := keys $table | sortAlpha }}
{{- $value := get $table $key }}
{{- $kind := ternary "" (include "crmscope.toml.kind" $value) (kindIs "invalid" $value) }}
{{- $inner := append $path (include "crmscope.toml.key" $key) }}
{{- if eq $kind "table" }}
{{- /* A header only where something follows it, or where nothing is in the table at all. */}}
{{- $plain := not $value }}
{{- range $value }}{{ if and (not (kindIs "invalid" .)) (eq (include "crmscope.toml.kind" .) "value") }}{{ $plain = true }}{{ end }}{{ end }}
{{- if $plain }}

[{{ join "." $inner }}]
{{- end }}
{{- include "crmscope.toml" (dict "path" $inner "table" $value) }}
{{- else if eq $kind "tables" }}
{{- range $value }}

[[{{ join "." $inner }}]]
{{- include "crmscope.toml" (dict "path" $inner "table" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
