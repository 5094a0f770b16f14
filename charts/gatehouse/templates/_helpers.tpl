{{- define "gatehouse.name" -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "gatehouse.labels" -}}
app.kubernetes.io/name: gatehouse
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "gatehouse.selector" -}}
app.kubernetes.io/name: gatehouse
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "gatehouse.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "gatehouse.name" .) -}}
{{- end -}}

{{- define "gatehouse.managerName" -}}
{{- .Values.manager.name | default (include "gatehouse.name" .) -}}
{{- end -}}

{{/* Names of cluster-wide objects carry the namespace, so that two releases of one name never share one. */}}
{{- define "gatehouse.clusterName" -}}
{{- printf "gatehouse:%s:%s" .Release.Namespace (include "gatehouse.name" .) -}}
{{- end -}}

{{- define "gatehouse.createsPolicies" -}}
{{- if kindIs "bool" .Values.policies.create }}{{ if .Values.policies.create }}yes{{ end }}{{ else if not .Values.namespaces }}yes{{ end -}}
{{- end -}}

{{/* What a machine's token must be made for: this installation and no other one. */}}
{{- define "gatehouse.audience" -}}
{{- printf "%s.%s.svc" (include "gatehouse.name" .) .Release.Namespace -}}
{{- end -}}

{{/* The settings file. What stands in `settings` wins. */}}
{{- define "gatehouse.settings" -}}
{{- $listener := dict "kind" "plain" "host" "0.0.0.0" "port" 8080 -}}
{{- if .Values.tls.secretName -}}
{{- $certificate := dict "certFile" "/etc/gatehouse/tls/tls.crt" "keyFile" "/etc/gatehouse/tls/tls.key" -}}
{{- $listener = dict "kind" "tls" "host" "0.0.0.0" "port" 8443 "certificates" (list $certificate) -}}
{{- end -}}
{{- if kindIs "bool" .Values.http2 -}}
{{- $_ := set $listener "http2" .Values.http2 -}}
{{- end -}}
{{- if .Values.proxyProtocolFrom -}}
{{- $_ := set $listener "proxyProtocol" (dict "trusted" .Values.proxyProtocolFrom) -}}
{{- end -}}
{{- $machines := list -}}
{{- range .Values.machines -}}
{{- $machines = append $machines (merge (deepCopy .) (dict "audience" (include "gatehouse.audience" $))) -}}
{{- end -}}
{{- $settings := dict
  "managerName" (include "gatehouse.managerName" .)
  "listeners" (list $listener)
  "operations" (dict "hosts" (list "0.0.0.0") "port" 8802)
  "trustedProxies" .Values.trustedProxies
  "machines" $machines
  "sessions" (dict "stateNamespace" .Release.Namespace)
  "cluster" (dict "namespaces" .Values.namespaces "servesUnclaimed" .Values.manager.servesUnclaimed "serviceAccount" (include "gatehouse.serviceAccount" .))
-}}
{{- if .Values.peers.secretName -}}
{{- $peers := dict "port" 8804 "certFile" "/etc/gatehouse/peers/tls.crt" "keyFile" "/etc/gatehouse/peers/tls.key" "caFile" "/etc/gatehouse/peers/ca.crt" -}}
{{- $_ := set $settings "agents" (dict "peers" $peers) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $settings (deepCopy .Values.settings)) -}}
{{- end -}}
