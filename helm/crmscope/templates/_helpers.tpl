{{/* Names and labels that every object uses. */}}

{{- define "crmscope.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 45 characters leave room for the longest suffix within the 63 of a label. */}}
{{- define "crmscope.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" }}
{{- else if contains (include "crmscope.name" .) .Release.Name }}
{{- .Release.Name | trunc 45 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "crmscope.name" .) | trunc 45 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels that select pods. Arguments: root, component. */}}
{{- define "crmscope.selector" -}}
app.kubernetes.io/name: {{ include "crmscope.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of all collectors' pods, whatever their roles. */}}
{{- define "crmscope.collectorSelector" -}}
app.kubernetes.io/name: {{ include "crmscope.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
crmscope.io/collector: "true"
{{- end }}

{{/* metadata of an object. Arguments: root, component, suffix, labels, annotations, namespace, unique. */}}
{{- define "crmscope.metadata" -}}
{{- $root := .root -}}
name: {{ include "crmscope.fullname" $root }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ default $root.Release.Namespace .namespace }}
labels:
  helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
  {{- include "crmscope.selector" (dict "root" $root "component" .component) | nindent 2 }}
  app.kubernetes.io/part-of: crmscope
  {{- with $root.Chart.AppVersion }}
  app.kubernetes.io/version: {{ . | quote }}
  {{- end }}
  app.kubernetes.io/managed-by: {{ $root.Release.Service }}
  {{- with merge (dict) (default dict .labels) $root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default dict .annotations) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "crmscope.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{/* Service account of a part. Arguments: root, suffix. */}}
{{- define "crmscope.serviceAccountName" -}}
{{- if .root.Values.serviceAccount.create -}}
{{ include "crmscope.fullname" .root }}{{ with .suffix }}-{{ . }}{{ end }}
{{- else -}}
{{ default "default" .root.Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* The Secret with the certificate that agents see. */}}
{{- define "crmscope.serverSecret" -}}
{{- if .Values.tls.certManager.enabled -}}
{{ include "crmscope.fullname" . }}-tls
{{- else -}}
{{ .Values.tls.existingSecret }}
{{- end }}
{{- end }}

{{/* Whether pages have TLS: a word or nothing. */}}
{{- define "crmscope.webTls" -}}
{{- if and .Values.tls.enabled .Values.tls.web.enabled }}true{{ end }}
{{- end }}

{{/* Names of a Service, from the shortest on, as JSON. Arguments: root, suffix. */}}
{{- define "crmscope.serviceNames" -}}
{{- $name := printf "%s-%s" (include "crmscope.fullname" .root) .suffix -}}
{{- $space := .root.Release.Namespace -}}
{{- list $name (printf "%s.%s" $name $space) (printf "%s.%s.svc" $name $space) (printf "%s.%s.svc.%s" $name $space .root.Values.clusterDomain) | toJson }}
{{- end }}

{{- define "crmscope.engineUrl" -}}
http://{{ include "crmscope.fullname" . }}-engine.{{ .Release.Namespace }}.svc:8123
{{- end }}

{{- define "crmscope.clickhouseUrl" -}}
{{- if .Values.engine.enabled }}{{ include "crmscope.engineUrl" . }}{{ else }}{{ .Values.clickhouse.url }}{{ end }}
{{- end }}

{{/* hook, startup or none. */}}
{{- define "crmscope.migrateMode" -}}
{{- default (ternary "startup" "hook" .Values.engine.enabled) .Values.migrate.mode }}
{{- end }}

{{/* Port of a URL. */}}
{{- define "crmscope.urlPort" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (ternary "443" "80" (eq $url.scheme "https")) $port }}
{{- end }}

{{/* What collectors there are, as JSON: name, roles, settings, replicasMax. */}}
{{- define "crmscope.components" -}}
{{- $base := omit .Values.collector "components" -}}
{{- $all := list -}}
{{- $kinds := dict "collector" (dict "ingest" true "writer" true "presence" true "web" true) -}}
{{- $order := list "collector" -}}
{{- if eq .Values.collector.mode "split" -}}
{{/* Health and metrics are with the role web, so every pod has it; the Service of pages chooses. */}}
{{- $order = list "ingest" "writer" "web" -}}
{{- $kinds = dict
  "ingest" (dict "ingest" true "writer" false "presence" false "web" true)
  "writer" (dict "ingest" false "writer" true "presence" false "web" true)
  "web" (dict "ingest" false "writer" false "presence" true "web" true) -}}
{{- end -}}
{{- range $name := $order -}}
{{- $settings := mergeOverwrite (deepCopy $base) (deepCopy (default dict (get $.Values.collector.components $name))) -}}
{{- $scales := ne $settings.autoscaling.kind "none" -}}
{{- $most := ternary $settings.autoscaling.maxReplicas $settings.replicas $scales | int -}}
{{- $least := ternary $settings.autoscaling.minReplicas $settings.replicas $scales | int -}}
{{- $all = append $all (dict "name" $name "roles" (get $kinds $name) "settings" $settings "replicasMax" $most "replicasMin" $least "scales" $scales) -}}
{{- end -}}
{{- dict "items" $all | toJson }}
{{- end }}

{{/* All collectors together, at most: what roles.replicas is. */}}
{{- define "crmscope.replicasTotal" -}}
{{- $total := 0 -}}
{{- range (include "crmscope.components" . | fromJson).items }}{{ $total = add $total .replicasMax }}{{ end -}}
{{- $total }}
{{- end }}

{{/* The component that serves a role to others: "collector" where all are together. Arguments: root, role. */}}
{{- define "crmscope.serving" -}}
{{- if eq .root.Values.collector.mode "split" }}{{ .role }}{{ else }}collector{{ end }}
{{- end }}
