{{/* What collectors and agents are told, and out of which Secrets their files come. */}}

{{/* Names of keys that may change with the programs; here and nowhere else. */}}
{{- define "crmscope.keys" -}}
ingestCertificate: ingest.tls.certificate_file
ingestKey: ingest.tls.key_file
ingestClientCA: ingest.tls.client_ca_file
authorityCertificate: ingest.authority.certificate_file
authorityKey: ingest.authority.key_file
webCertificate: web.tls.certificate_file
webKey: web.tls.key_file
clickhouseAllowPlaintext: clickhouse.allow_plaintext
clickhouseCA: clickhouse.tls.ca_file
clickhouseCertificate: clickhouse.tls.certificate_file
clickhouseKey: clickhouse.tls.key_file
kafkaAllowPlaintext: kafka.allow_plaintext
agentEndpoint: collector.endpoint
agentAllowPlaintext: collector.allow_plaintext
agentToken: collector.token_file
agentCA: identity.authority_file
agentCertificate: identity.certificate_file
agentKey: identity.key_file
agentEnrolmentToken: identity.token_file
{{- end }}

{{/* Keys of config that are the chart's own, and the value that sets each. A section stands for all in it. */}}
{{- define "crmscope.owned.collector" -}}
ingest.listen: ingest.port and collector.listenAddress
ingest.allow_plaintext: tls.enabled
ingest.token_file: ingest.existingSecret
ingest.tls.certificate_file: tls.existingSecret
ingest.tls.key_file: tls.existingSecret
ingest.tls.client_ca_file: tls.clientCA
ingest.authority.certificate_file: tls.authority
ingest.authority.key_file: tls.authority
web.listen: web.port and collector.listenAddress
web.allow_plaintext: tls.web.enabled
web.allowed_hosts: web.allowedHosts
web.tokens: web.tokens
web.tls: tls.web
web.clickhouse: clickhouse.reader
roles: collector.mode and collector.replicas
kafka.brokers: kafka.brokers
kafka.allow_plaintext: kafka.allowPlaintext
kafka.security_protocol: kafka.securityProtocol
kafka.sasl_mechanism: kafka.sasl.mechanism
kafka.sasl_username: kafka.sasl.username
kafka.sasl_password_file: kafka.sasl.existingSecret
kafka.ssl_ca_file: kafka.tls.ca.existingSecret
kafka.ssl_certificate_file: kafka.tls.client.existingSecret
kafka.ssl_key_file: kafka.tls.client.existingSecret
clickhouse.url: clickhouse.url
clickhouse.allow_plaintext: clickhouse.allowPlaintext
clickhouse.tls: clickhouse.tls
clickhouse.user: clickhouse.user
clickhouse.password_file: clickhouse.existingSecret
clickhouse.migrate: migrate.mode
clickhouse.cluster: clickhouse.cluster
{{- end }}

{{- define "crmscope.owned.agent" -}}
agent_id: nothing, as an agent in a cluster has its node's name
state_dir: agent.stateDirectory
collector: agent.endpoint and agent.existingSecret
identity: agent.enrolment and agent.tls
{{- end }}

{{/* Whether a path is in a map: a word or nothing. Arguments: map, path. */}}
{{- define "crmscope.has" -}}
{{- $node := .map -}}
{{- $found := true -}}
{{- range splitList "." .path -}}
{{- if and $found (kindIs "map" $node) (hasKey $node .) }}{{ $node = get $node . }}{{ else }}{{ $found = false }}{{ end -}}
{{- end -}}
{{- if $found }}true{{ end }}
{{- end }}

{{/* Sets a path of a map. Arguments: map, path, value. */}}
{{- define "crmscope.put" -}}
{{- $node := .map -}}
{{- $parts := splitList "." .path -}}
{{- range initial $parts -}}
{{- if not (kindIs "map" (get $node .)) }}{{ $_ := set $node . dict }}{{ end -}}
{{- $node = get $node . -}}
{{- end -}}
{{- $_ := set $node (last $parts) .value -}}
{{- end }}

{{/* The same, unless it is there. */}}
{{- define "crmscope.putDefault" -}}
{{- if not (include "crmscope.has" .) }}{{ include "crmscope.put" . }}{{ end -}}
{{- end }}

{{/* Path of a secret's file. */}}
{{- define "crmscope.file" -}}
/etc/crmscope/secrets/{{ . }}
{{- end }}

{{/* Sections that say where ClickHouse and Kafka are, into a map. Arguments: root, config. */}}
{{- define "crmscope.putStores" -}}
{{- $values := .root.Values -}}
{{- $config := .config -}}
{{- $keys := include "crmscope.keys" .root | fromYaml -}}
{{- $set := dict
  "clickhouse.url" (include "crmscope.clickhouseUrl" .root)
  "clickhouse.user" $values.clickhouse.user
  "clickhouse.migrate" (eq (include "crmscope.migrateMode" .root) "startup") -}}
{{- if hasPrefix "http://" (include "crmscope.clickhouseUrl" .root) }}{{ $_ := set $set $keys.clickhouseAllowPlaintext true }}{{ end -}}
{{- if $values.clickhouse.tls.ca.existingSecret }}{{ $_ := set $set $keys.clickhouseCA (include "crmscope.file" "clickhouse-ca.crt") }}{{ end -}}
{{- if $values.clickhouse.tls.client.existingSecret -}}
{{- $_ := set $set $keys.clickhouseCertificate (include "crmscope.file" "clickhouse.crt") -}}
{{- $_ := set $set $keys.clickhouseKey (include "crmscope.file" "clickhouse.key") -}}
{{- end -}}
{{- if $values.clickhouse.cluster }}{{ $_ := set $set "clickhouse.cluster" $values.clickhouse.cluster }}{{ end -}}
{{- if $values.clickhouse.existingSecret }}{{ $_ := set $set "clickhouse.password_file" (include "crmscope.file" "clickhouse-password") }}{{ end -}}
{{- if $values.kafka.brokers -}}
{{- $_ := set $set "kafka.brokers" $values.kafka.brokers -}}
{{- $_ := set $set "kafka.security_protocol" $values.kafka.securityProtocol -}}
{{- if hasSuffix "plaintext" $values.kafka.securityProtocol }}{{ $_ := set $set $keys.kafkaAllowPlaintext true }}{{ end -}}
{{- if hasPrefix "sasl_" $values.kafka.securityProtocol -}}
{{- $_ := set $set "kafka.sasl_mechanism" $values.kafka.sasl.mechanism -}}
{{- $_ := set $set "kafka.sasl_username" $values.kafka.sasl.username -}}
{{- $_ := set $set "kafka.sasl_password_file" (include "crmscope.file" "kafka-password") -}}
{{- end -}}
{{- if $values.kafka.tls.ca.existingSecret }}{{ $_ := set $set "kafka.ssl_ca_file" (include "crmscope.file" "kafka-ca.crt") }}{{ end -}}
{{- if $values.kafka.tls.client.existingSecret -}}
{{- $_ := set $set "kafka.ssl_certificate_file" (include "crmscope.file" "kafka.crt") -}}
{{- $_ := set $set "kafka.ssl_key_file" (include "crmscope.file" "kafka.key") -}}
{{- end -}}
{{- end -}}
{{- range $path, $value := $set }}{{ include "crmscope.put" (dict "map" $config "path" $path "value" $value) }}{{ end -}}
{{- end }}

{{/* Names the pages may be asked for by, as JSON. */}}
{{- define "crmscope.allowedHosts" -}}
{{- $hosts := concat (include "crmscope.serviceNames" (dict "root" . "suffix" "web") | fromJsonArray) .Values.web.allowedHosts -}}
{{- if .Values.ingress.enabled }}{{ range .Values.ingress.hosts }}{{ $hosts = append $hosts .host }}{{ end }}{{ end -}}
{{- if .Values.gateway.web.enabled }}{{ $hosts = concat $hosts .Values.gateway.web.hostnames }}{{ end -}}
{{- uniq $hosts | toJson }}
{{- end }}

{{/* A collector's configuration, TOML. Arguments: root, component. */}}
{{- define "crmscope.collectorConfig" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $config := deepCopy $values.config -}}
{{- $keys := include "crmscope.keys" $root | fromYaml -}}
{{- include "crmscope.putStores" (dict "root" $root "config" $config) -}}
{{- $roles := mergeOverwrite (dict "replicas" (include "crmscope.replicasTotal" $root | int)) .component.roles -}}
{{- $address := $values.collector.listenAddress -}}
{{- $set := dict "roles" $roles "web.listen" (printf "%s:%d" $address (int $values.web.port)) "web.allowed_hosts" (include "crmscope.allowedHosts" $root | fromJsonArray) -}}
{{- if .component.roles.ingest -}}
{{- $_ := set $set "ingest.listen" (printf "%s:%d" $address (int $values.ingest.port)) -}}
{{- if $values.ingest.existingSecret }}{{ $_ := set $set "ingest.token_file" (include "crmscope.file" "ingest-tokens") }}{{ end -}}
{{- if $values.tls.enabled -}}
{{- $_ := set $set $keys.ingestCertificate (include "crmscope.file" "server.crt") -}}
{{- $_ := set $set $keys.ingestKey (include "crmscope.file" "server.key") -}}
{{- if $values.tls.clientCA.existingSecret }}{{ $_ := set $set $keys.ingestClientCA (include "crmscope.file" "client-ca.crt") }}{{ end -}}
{{- if $values.tls.authority.existingSecret -}}
{{- $_ := set $set $keys.authorityCertificate (include "crmscope.file" "authority.crt") -}}
{{- $_ := set $set $keys.authorityKey (include "crmscope.file" "authority.key") -}}
{{- end -}}
{{- else -}}
{{- $_ := set $set "ingest.allow_plaintext" true -}}
{{- end -}}
{{- end -}}
{{- if include "crmscope.webTls" $root -}}
{{- $_ := set $set $keys.webCertificate (include "crmscope.file" "web.crt") -}}
{{- $_ := set $set $keys.webKey (include "crmscope.file" "web.key") -}}
{{- else -}}
{{- $_ := set $set "web.allow_plaintext" true -}}
{{- end -}}
{{- if $values.web.tokens -}}
{{- $tokens := list -}}
{{- range $values.web.tokens }}{{ $tokens = append $tokens (dict "name" .name "role" .role "token_file" (include "crmscope.file" (printf "web-token-%s" .name))) }}{{ end -}}
{{- $_ := set $set "web.tokens" $tokens -}}
{{- end -}}
{{- if $values.clickhouse.reader.user -}}
{{- $_ := set $set "web.clickhouse.user" $values.clickhouse.reader.user -}}
{{- if $values.clickhouse.reader.existingSecret }}{{ $_ := set $set "web.clickhouse.password_file" (include "crmscope.file" "clickhouse-reader-password") }}{{ end -}}
{{- end -}}
{{- range $path, $value := $set }}{{ include "crmscope.put" (dict "map" $config "path" $path "value" $value) }}{{ end -}}
{{- if $values.gateway.ingest.enabled -}}
{{- $scheme := ternary "https" "http" $values.tls.enabled -}}
{{- include "crmscope.putDefault" (dict "map" $config "path" "web.agent_endpoint" "value" (printf "%s://%s" $scheme (first $values.gateway.ingest.hostnames))) -}}
{{- end -}}
{{- include "crmscope.putDefault" (dict "map" $config "path" "log.format" "value" "json") -}}
{{- include "crmscope.toml" (dict "path" list "table" $config) | trim }}
{{- end }}

{{/* What Jobs, tests and people's commands need: ClickHouse and Kafka, and nobody's secrets besides. TOML. */}}
{{- define "crmscope.toolsConfig" -}}
{{- $config := deepCopy (pick .Values.config "kafka" "clickhouse" "log") -}}
{{- include "crmscope.putStores" (dict "root" . "config" $config) -}}
{{- include "crmscope.toml" (dict "path" list "table" $config) | trim }}
{{- end }}

{{/* One file out of a Secret, for a projected volume. Arguments: secret, items (key: path). */}}
{{- define "crmscope.source" -}}
- secret:
    name: {{ .secret }}
    items:
      {{- range $key, $path := .items }}
      - key: {{ $key }}
        path: {{ $path }}
      {{- end }}
{{- end }}

{{- define "crmscope.storeSources" -}}
{{- with .Values.clickhouse }}
{{- if .existingSecret }}
{{ include "crmscope.source" (dict "secret" .existingSecret "items" (dict .passwordKey "clickhouse-password")) }}
{{- end }}
{{- with .tls.ca }}
{{- if .existingSecret }}
{{ include "crmscope.source" (dict "secret" .existingSecret "items" (dict .key "clickhouse-ca.crt")) }}
{{- end }}
{{- end }}
{{- with .tls.client }}
{{- if .existingSecret }}
{{ include "crmscope.source" (dict "secret" .existingSecret "items" (dict .certificateKey "clickhouse.crt" .privateKeyKey "clickhouse.key")) }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.kafka.brokers }}
{{- with .Values.kafka.sasl }}
{{- if hasPrefix "sasl_" $.Values.kafka.securityProtocol }}
{{ include "crmscope.source" (dict "secret" .existingSecret "items" (dict .passwordKey "kafka-password")) }}
{{- end }}
{{- end }}
{{- with .Values.kafka.tls.ca }}
{{- if .existingSecret }}
{{ include "crmscope.source" (dict "secret" .existingSecret "items" (dict .key "kafka-ca.crt")) }}
{{- end }}
{{- end }}
{{- with .Values.kafka.tls.client }}
{{- if .existingSecret }}
{{ include "crmscope.source" (dict "secret" .existingSecret "items" (dict .certificateKey "kafka.crt" .privateKeyKey "kafka.key")) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Sources of secretFiles. */}}
{{- define "crmscope.extraSources" -}}
{{- range $name, $from := . }}
{{ include "crmscope.source" (dict "secret" $from.existingSecret "items" (dict $from.key $name)) }}
{{- end }}
{{- end }}

{{/* Sources of a collector's secrets. Only pods that agents reach have keys for agents. Arguments: root, component. */}}
{{- define "crmscope.collectorSources" -}}
{{- $values := .root.Values -}}
{{- include "crmscope.storeSources" .root }}
{{- with $values.clickhouse.reader }}
{{- if and .user .existingSecret }}
{{ include "crmscope.source" (dict "secret" .existingSecret "items" (dict .passwordKey "clickhouse-reader-password")) }}
{{- end }}
{{- end }}
{{- if .component.roles.ingest }}
{{- with $values.ingest }}
{{- if .existingSecret }}
{{ include "crmscope.source" (dict "secret" .existingSecret "items" (dict .tokensKey "ingest-tokens")) }}
{{- end }}
{{- end }}
{{- if $values.tls.enabled }}
{{ include "crmscope.source" (dict "secret" (include "crmscope.serverSecret" .root) "items" (dict "tls.crt" "server.crt" "tls.key" "server.key")) }}
{{- with $values.tls.authority.existingSecret }}
{{ include "crmscope.source" (dict "secret" . "items" (dict "tls.crt" "authority.crt" "tls.key" "authority.key")) }}
{{- end }}
{{- if $values.tls.clientCA.existingSecret }}
{{ include "crmscope.source" (dict "secret" $values.tls.clientCA.existingSecret "items" (dict $values.tls.clientCA.key "client-ca.crt")) }}
{{- end }}
{{- end }}
{{- end }}
{{- if include "crmscope.webTls" .root }}
{{ include "crmscope.source" (dict "secret" (default (include "crmscope.serverSecret" .root) $values.tls.web.existingSecret) "items" (dict "tls.crt" "web.crt" "tls.key" "web.key")) }}
{{- end }}
{{- range $values.web.tokens }}
{{ include "crmscope.source" (dict "secret" .existingSecret "items" (dict .key (printf "web-token-%s" .name))) }}
{{- end }}
{{- include "crmscope.extraSources" $values.secretFiles }}
{{- end }}

{{/* Where agents of this release find their collector. */}}
{{- define "crmscope.agentEndpoint" -}}
{{- $scheme := ternary "https" "http" .Values.tls.enabled -}}
{{- default (printf "%s://%s-ingest.%s.svc:%d" $scheme (include "crmscope.fullname" .) .Release.Namespace (int .Values.ingest.port)) .Values.agent.endpoint }}
{{- end }}

{{/* The agents' configuration, TOML. */}}
{{- define "crmscope.agentConfig" -}}
{{- $agent := .Values.agent -}}
{{- $config := deepCopy $agent.config -}}
{{- $keys := include "crmscope.keys" . | fromYaml -}}
{{- $set := dict "state_dir" "/var/lib/crmscope-agent" $keys.agentEndpoint (include "crmscope.agentEndpoint" .) -}}
{{- if .Values.tls.enabled -}}
{{- if $agent.tls.ca.existingSecret }}{{ $_ := set $set $keys.agentCA (include "crmscope.file" "collector-ca.crt") }}{{ end -}}
{{- if $agent.tls.existingSecret -}}
{{- $_ := set $set $keys.agentCertificate (include "crmscope.file" "agent.crt") -}}
{{- $_ := set $set $keys.agentKey (include "crmscope.file" "agent.key") -}}
{{- else -}}
{{- $_ := set $set $keys.agentEnrolmentToken (include "crmscope.file" "enrolment-token") -}}
{{- end -}}
{{- else -}}
{{- $_ := set $set $keys.agentAllowPlaintext true -}}
{{- $_ := set $set $keys.agentToken (include "crmscope.file" "agent-token") -}}
{{- end -}}
{{- range $path, $value := $set }}{{ include "crmscope.put" (dict "map" $config "path" $path "value" $value) }}{{ end -}}
{{- range $path, $value := dict
  "log_format" "json"
  "sources.host.proc_path" "/host/proc"
  "sources.host.sys_path" "/host/sys"
  "sources.filesystem.proc_path" "/proc"
  "sources.filesystem.root_path" "/host/root"
  "sources.transport.proc_path" "/host/proc"
  "sources.processes.proc_path" "/host/proc"
  "sources.containers.sys_path" "/host/sys"
  "sources.sensors.sys_path" "/host/sys" -}}
{{- include "crmscope.putDefault" (dict "map" $config "path" $path "value" $value) -}}
{{- end -}}
{{- include "crmscope.toml" (dict "path" list "table" $config) | trim }}
{{- end }}

{{- define "crmscope.agentSources" -}}
{{- with .Values.agent }}
{{- if $.Values.tls.enabled }}
{{- if .tls.ca.existingSecret }}
{{ include "crmscope.source" (dict "secret" .tls.ca.existingSecret "items" (dict .tls.ca.key "collector-ca.crt")) }}
{{- end }}
{{- if .tls.existingSecret }}
{{ include "crmscope.source" (dict "secret" .tls.existingSecret "items" (dict "tls.crt" "agent.crt" "tls.key" "agent.key")) }}
{{- else }}
{{ include "crmscope.source" (dict "secret" .enrolment.existingSecret "items" (dict .enrolment.tokenKey "enrolment-token")) }}
{{- end }}
{{- else }}
{{ include "crmscope.source" (dict "secret" .existingSecret "items" (dict .tokenKey "agent-token")) }}
{{- end }}
{{- include "crmscope.extraSources" .secretFiles }}
{{- end }}
{{- end }}
