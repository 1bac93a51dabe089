{{/* Rules of egress, as lists. */}}

{{- define "crmscope.egress.rule" -}}
- {{ if .to }}to:
    {{- toYaml .to | nindent 4 }}
  {{ end }}ports:
    {{- range .ports | uniq }}
    - protocol: TCP
      port: {{ . }}
    {{- end }}
{{- end }}

{{- define "crmscope.egress.dns" -}}
- {{ with .Values.networkPolicy.dns.to }}to:
    {{- toYaml . | nindent 4 }}
  {{ end }}ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
{{- end }}

{{/* Names, ClickHouse and Kafka. */}}
{{- define "crmscope.egress.stores" -}}
{{ include "crmscope.egress.dns" . }}
{{- if .Values.engine.enabled }}
- to:
    - podSelector:
        matchLabels:
          {{- include "crmscope.selector" (dict "root" . "component" "engine") | nindent 10 }}
  ports:
    - protocol: TCP
      port: 8123
{{- else }}
{{ include "crmscope.egress.rule" (dict "to" .Values.networkPolicy.clickhouse.to "ports" (list (include "crmscope.urlPort" .Values.clickhouse.url | int))) }}
{{- end }}
{{- if .Values.kafka.brokers }}
{{- $ports := list }}
{{- range .Values.kafka.brokers }}{{ $ports = append $ports (splitList ":" . | last | int) }}{{ end }}
{{ include "crmscope.egress.rule" (dict "to" .Values.networkPolicy.kafka.to "ports" $ports) }}
{{- end }}
{{- end }}

{{/* Ports of who is told of incidents, as JSON. */}}
{{- define "crmscope.alertPorts" -}}
{{- $ports := list -}}
{{- range dig "alerts" "alertmanager" "urls" list .Values.config }}{{ $ports = append $ports (include "crmscope.urlPort" . | int) }}{{ end -}}
{{- with dig "alerts" "webhook" "url" "" .Values.config }}{{ $ports = append $ports (include "crmscope.urlPort" . | int) }}{{ end -}}
{{- if dig "alerts" "mail" "host" "" .Values.config }}{{ $ports = append $ports (dig "alerts" "mail" "port" 587 .Values.config | int) }}{{ end -}}
{{- uniq $ports | toJson }}
{{- end }}
