{{/* Values that contradict each other: all of them are told at once, each with what to do. */}}

{{/* Each file below /etc/crmscope/secrets that a configuration names, as lines. Argument: any value. */}}
{{- define "crmscope.namedSecrets" -}}
{{- if kindIs "map" . -}}
{{- range $value := . }}{{ include "crmscope.namedSecrets" $value }}{{ end -}}
{{- else if kindIs "slice" . -}}
{{- range . }}{{ include "crmscope.namedSecrets" . }}{{ end -}}
{{- else if and (kindIs "string" .) (hasPrefix "/etc/crmscope/secrets/" .) -}}
{{ trimPrefix "/etc/crmscope/secrets/" . }}{{ "\n" }}
{{- end -}}
{{- end }}

{{- define "crmscope.problems.config" -}}
{{- range $path, $value := include "crmscope.owned.collector" . | fromYaml }}
{{- if include "crmscope.has" (dict "map" $.Values.config "path" $path) }}
- config.{{ $path }} is set by the chart: use {{ $value }}
{{- end }}
{{- end }}
{{- range $name := include "crmscope.namedSecrets" .Values.config | trim | splitList "\n" | compact }}
{{- if not (hasKey $.Values.secretFiles $name) }}
- config names the file /etc/crmscope/secrets/{{ $name }}, which is not there: add secretFiles.{{ $name }} with existingSecret and key
{{- end }}
{{- end }}
{{- end }}

{{- define "crmscope.problems.stores" -}}
{{- $values := .Values }}
{{- if and $values.engine.enabled $values.clickhouse.url }}
- engine.enabled is true and clickhouse.url is set: choose one of them
{{- else if and (not $values.engine.enabled) (not $values.clickhouse.url) }}
- clickhouse.url is empty: set the HTTP interface of a ClickHouse, such as http://clickhouse.data.svc:8123, or engine.enabled=true to try crmscope
{{- end }}
{{- if and (hasPrefix "http://" $values.clickhouse.url) (not $values.clickhouse.allowPlaintext) }}
- clickhouse.url begins with http://: password and figures would cross the network readable; write https://, or set clickhouse.allowPlaintext=true where the network itself is trusted
{{- end }}
{{- if and (not (hasPrefix "https://" $values.clickhouse.url)) (or $values.clickhouse.tls.ca.existingSecret $values.clickhouse.tls.client.existingSecret) }}
- clickhouse.tls is set and clickhouse.url does not begin with https://: write https://, or empty clickhouse.tls
{{- end }}
{{- if and $values.engine.enabled (not $values.clickhouse.existingSecret) }}
- engine.enabled is true and clickhouse.existingSecret is empty: the engine answers other pods only with a password; make a Secret with one, of at least one character
{{- end }}
{{- if and $values.engine.enabled (eq $values.migrate.mode "hook") }}
- migrate.mode is hook and engine.enabled is true: a hook would wait for the engine, which is installed after it; use startup
{{- end }}
{{- if and $values.engine.enabled $values.clickhouse.reader.user }}
- clickhouse.reader.user is set and engine.enabled is true: the engine has one user
{{- end }}
{{- if and $values.clickhouse.reader.existingSecret (not $values.clickhouse.reader.user) }}
- clickhouse.reader.existingSecret is set and clickhouse.reader.user is empty: name the user
{{- end }}
{{- if and $values.clickhouse.migrator.user (ne (include "crmscope.migrateMode" .) "hook") }}
- clickhouse.migrator.user is set and no Job migrates: it is the Job's user; use migrate.mode hook, or empty it
{{- end }}
{{- if and $values.clickhouse.migrator.existingSecret (not $values.clickhouse.migrator.user) }}
- clickhouse.migrator.existingSecret is set and clickhouse.migrator.user is empty: name the user
{{- end }}
{{- if and $values.engine.enabled $values.clickhouse.cluster }}
- clickhouse.cluster is set and engine.enabled is true: the engine is one server
{{- end }}
{{- $kafka := $values.kafka }}
{{- if $kafka.brokers }}
{{- if and (hasSuffix "plaintext" $kafka.securityProtocol) (not $kafka.allowPlaintext) }}
- kafka.securityProtocol is {{ $kafka.securityProtocol }}: batches would cross the network readable; use ssl or sasl_ssl, or set kafka.allowPlaintext=true where the network itself is trusted
{{- end }}
{{- if hasPrefix "sasl_" $kafka.securityProtocol }}
{{- if or (not $kafka.sasl.mechanism) (not $kafka.sasl.username) (not $kafka.sasl.existingSecret) }}
- kafka.securityProtocol is {{ $kafka.securityProtocol }}: set kafka.sasl.mechanism, kafka.sasl.username and kafka.sasl.existingSecret
{{- end }}
{{- else if or $kafka.sasl.mechanism $kafka.sasl.username $kafka.sasl.existingSecret }}
- kafka.sasl is set and kafka.securityProtocol is {{ $kafka.securityProtocol }}: use sasl_ssl or sasl_plaintext, or empty kafka.sasl
{{- end }}
{{- if and (not (hasSuffix "ssl" $kafka.securityProtocol)) (or $kafka.tls.ca.existingSecret $kafka.tls.client.existingSecret) }}
- kafka.tls is set and kafka.securityProtocol is {{ $kafka.securityProtocol }}: use ssl or sasl_ssl, or empty kafka.tls
{{- end }}
{{- else if or (ne $kafka.securityProtocol "plaintext") $kafka.sasl.existingSecret $kafka.tls.ca.existingSecret $kafka.tls.client.existingSecret }}
- kafka.brokers is empty and other values of kafka are set: name the brokers, or empty those
{{- end }}
{{- end }}

{{- define "crmscope.problems.collectors" -}}
{{- $values := .Values }}
{{- $kafka := gt (len $values.kafka.brokers) 0 }}
{{- $split := eq $values.collector.mode "split" }}
{{- if and $split (not $kafka) }}
- collector.mode is split and kafka.brokers is empty: what ingest takes would have no way to a writer; set kafka.brokers, or collector.mode=together
{{- end }}
{{- if and (not $split) $values.collector.components }}
- collector.components is set and collector.mode is together: use collector.mode=split, or set the values of collector itself
{{- end }}
{{- range (include "crmscope.components" . | fromJson).items }}
{{- $where := ternary (printf "collector.components.%s" .name) "collector" $split }}
{{- $autoscaling := .settings.autoscaling }}
{{- if and (not $kafka) (not $split) }}
{{- if .scales }}
- {{ $where }}.autoscaling.kind is {{ $autoscaling.kind }} and kafka.brokers is empty: without Kafka there is one collector; set kafka.brokers, or kind none
{{- else if gt (int .replicasMax) 1 }}
- {{ $where }}.replicas is {{ .replicasMax }} and kafka.brokers is empty: two collectors without Kafka could store a batch twice; set kafka.brokers, or replicas 1
{{- end }}
{{- end }}
{{- if and .scales (gt (int .replicasMin) (int .replicasMax)) }}
- {{ $where }}.autoscaling.minReplicas is {{ .replicasMin }} and maxReplicas {{ .replicasMax }}: the first must not be more
{{- end }}
{{- if and (eq $autoscaling.kind "keda") (not .roles.writer) }}
- {{ $where }}.autoscaling.kind is keda: Kafka's lag says nothing of {{ .name }}; use hpa or none there, and keda for collector.components.writer
{{- end }}
{{- if and (eq $autoscaling.kind "hpa") (not (dig "requests" "cpu" "" .settings.resources)) }}
- {{ $where }}.autoscaling.kind is hpa and {{ $where }}.resources.requests.cpu is missing: a share of nothing cannot be aimed at
{{- end }}
{{- end }}
{{- end }}

{{- define "crmscope.problems.access" -}}
{{- $values := .Values }}
{{- $tls := $values.tls }}
{{- if $tls.enabled }}
{{- if and $tls.certManager.enabled $tls.existingSecret }}
- tls.existingSecret and tls.certManager.enabled are both set: choose one of them
{{- else if not (or $tls.certManager.enabled $tls.existingSecret) }}
- tls.enabled is true and there is no certificate: set tls.existingSecret, or tls.certManager.enabled=true with an issuerRef; or tls.enabled=false where the network itself is trusted
{{- end }}
{{- if and $tls.certManager.enabled (not $tls.certManager.issuerRef.name) }}
- tls.certManager.enabled is true and tls.certManager.issuerRef.name is empty: name an Issuer or ClusterIssuer
{{- end }}
{{- if and (not $tls.web.enabled) $tls.web.existingSecret }}
- tls.web.existingSecret is set and tls.web.enabled is false: empty it, or set tls.web.enabled=true
{{- end }}
{{- if not (or $tls.authority.existingSecret $tls.clientCA.existingSecret) }}
- tls.enabled is true and no authority of agents' certificates is known: set tls.authority.existingSecret, so that agents can enrol, or tls.clientCA.existingSecret for an outside one
{{- end }}
{{- else }}
{{- if or $tls.existingSecret $tls.certManager.enabled $tls.authority.existingSecret $tls.clientCA.existingSecret $tls.web.existingSecret }}
- tls.enabled is false and other values of tls are set: empty those, or set tls.enabled=true
{{- end }}
{{- if not $values.ingest.existingSecret }}
- tls.enabled is false and ingest.existingSecret is empty: without TLS agents show a token; make a Secret with one
{{- end }}
{{- end }}
{{- $proxy := dig "web" "proxy" "user_header" "" $values.config }}
{{- if not (or $values.web.tokens $proxy) }}
- web.tokens is empty and config.web.proxy.user_header is not set: nobody could sign in to the pages; set one of them
{{- end }}
{{- $names := list }}
{{- range $values.web.tokens }}
{{- if has .name $names }}
- web.tokens has the name {{ .name }} twice
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) }}
- ingress.enabled is true and ingress.hosts is empty: pages answer only to names they know; add {host, paths}
{{- end }}
{{- range $name, $route := $values.gateway }}
{{- if and $route.enabled (not (and $route.parentRefs $route.hostnames)) }}
- gateway.{{ $name }}.enabled is true: set gateway.{{ $name }}.parentRefs and gateway.{{ $name }}.hostnames
{{- end }}
{{- end }}
{{- if and $values.metrics.serviceMonitor.enabled (not $values.metrics.existingSecret) (not (dig "web" "open_metrics" false $values.config)) }}
- metrics.serviceMonitor.enabled is true and nobody may read /metrics: set metrics.existingSecret to one of web.tokens, or config.web.open_metrics=true
{{- end }}
{{- if and (not $values.serviceAccount.create) (not $values.serviceAccount.name) }}
- serviceAccount.create is false and serviceAccount.name is empty: name one
{{- else if and $values.serviceAccount.create $values.serviceAccount.name }}
- serviceAccount.create is true and serviceAccount.name is {{ $values.serviceAccount.name }}: those that are made have the release's name; empty it, or set create=false
{{- end }}
{{- $service := $values.ingest.service }}
{{- if and (ne $service.type "LoadBalancer") (or $service.loadBalancerSourceRanges $service.loadBalancerClass) }}
- ingest.service.loadBalancerSourceRanges or loadBalancerClass is set and ingest.service.type is {{ $service.type }}: nobody would be kept out; use LoadBalancer, or networkPolicy.ingest.from
{{- end }}
{{- end }}

{{- define "crmscope.problems.agent" -}}
{{- $agent := .Values.agent }}
{{- if $agent.enabled }}
{{- range $path, $value := include "crmscope.owned.agent" . | fromYaml }}
{{- if include "crmscope.has" (dict "map" $agent.config "path" $path) }}
- agent.config.{{ $path }} is set by the chart: use {{ $value }}
{{- end }}
{{- end }}
{{- range $name := include "crmscope.namedSecrets" $agent.config | trim | splitList "\n" | compact }}
{{- if not (hasKey $agent.secretFiles $name) }}
- agent.config names the file /etc/crmscope/secrets/{{ $name }}, which is not there: add agent.secretFiles.{{ $name }} with existingSecret and key
{{- end }}
{{- end }}
{{- if .Values.tls.enabled }}
{{- if and $agent.tls.existingSecret $agent.enrolment.existingSecret }}
- agent.tls.existingSecret and agent.enrolment.existingSecret are both set: an agent has a certificate or enrols for one
{{- else if not (or $agent.tls.existingSecret $agent.enrolment.existingSecret) }}
- agent.enabled is true and agents have no certificate: set agent.enrolment.existingSecret, or agent.tls.existingSecret
{{- end }}
{{- if hasPrefix "http://" $agent.endpoint }}
- agent.endpoint is {{ $agent.endpoint }} and tls.enabled is true: use https
{{- end }}
{{- if and $agent.enrolment.existingSecret (not $agent.endpoint) (not .Values.tls.authority.existingSecret) }}
- agent.enrolment.existingSecret is set and tls.authority.existingSecret is empty: the collector can sign no agent's certificate; set it, or agent.tls.existingSecret
{{- end }}
{{- else }}
{{- if not $agent.existingSecret }}
- agent.enabled is true and agent.existingSecret is empty: without TLS agents show a token; name the Secret with one of ingest.existingSecret's
{{- end }}
{{- if or $agent.tls.existingSecret $agent.enrolment.existingSecret }}
- agent.tls or agent.enrolment is set and tls.enabled is false: there are no certificates then
{{- end }}
{{- if hasPrefix "https://" $agent.endpoint }}
- agent.endpoint is {{ $agent.endpoint }} and tls.enabled is false: use http, or tls.enabled=true
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "crmscope.validate" -}}
{{- $problems := "" }}
{{- range list "config" "stores" "collectors" "access" "agent" }}
{{- $problems = print $problems (include (printf "crmscope.problems.%s" .) $) }}
{{- end }}
{{- with trim $problems }}
{{- fail (printf "these values cannot be used:\n%s" .) }}
{{- end }}
{{- end }}
