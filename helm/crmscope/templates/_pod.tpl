{{/* What pods of this chart have in common. */}}

{{/* The first lines of a pod's spec. Arguments: root, account, context. */}}
{{- define "crmscope.pod" -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .context }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where a pod may and should be. Argument: a map with these keys. */}}
{{- define "crmscope.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The volume of secrets; nothing where there is none. Argument: sources. */}}
{{- define "crmscope.secretsVolume" -}}
{{- with trim . }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- . | nindent 6 }}
{{- end }}
{{- end }}

{{/* A pod with the short-lived commands' configuration. Arguments: root, configMap, account, restartPolicy, containers. */}}
{{- define "crmscope.toolsPod" -}}
{{- $sources := include "crmscope.storeSources" .root | trim -}}
{{ include "crmscope.pod" (dict "root" .root "account" .account "context" .root.Values.collector.podSecurityContext) }}
restartPolicy: {{ .restartPolicy }}
{{- with include "crmscope.placement" (pick .root.Values.collector "nodeSelector" "tolerations" "affinity" "priorityClassName") | trim }}
{{ . }}
{{- end }}
containers:
  {{- range .containers }}
  - name: {{ .name }}
    image: {{ include "crmscope.image" $.root }}
    imagePullPolicy: {{ $.root.Values.image.pullPolicy }}
    command: [/usr/bin/crmscope-collector, --config, /etc/crmscope/config/tools.toml]
    args: {{ toJson .args }}
    {{- with $.root.Values.collector.extraEnv }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $.root.Values.collector.securityContext }}
    securityContext:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    resources:
      {{- toYaml $.root.Values.jobs.resources | nindent 6 }}
    volumeMounts:
      - name: config
        mountPath: /etc/crmscope/config
        readOnly: true
      {{- if $sources }}
      - name: secrets
        mountPath: /etc/crmscope/secrets
        readOnly: true
      {{- end }}
      {{- with $.root.Values.collector.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- end }}
  {{- with .more }}
  {{- . | nindent 2 }}
  {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ .configMap }}
      items:
        - key: tools.toml
          path: tools.toml
  {{- with include "crmscope.secretsVolume" $sources | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .root.Values.collector.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
