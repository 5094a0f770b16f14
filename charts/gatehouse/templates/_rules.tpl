{{/* The same rules as in config/rbac; a test compares them. */}}
{{- define "gatehouse.ownRules" -}}
- apiGroups: [workspace.jupyter.org]
  resources: [workspacemanagers]
  verbs: [get, list, watch]
- apiGroups: [workspace.jupyter.org]
  resources: [workspacemanagers/status]
  verbs: [patch]
- apiGroups: [workspace.jupyter.org]
  resources: [workspaceshares]
  verbs: [create, patch]
{{- if .beatsElsewhere }}
- apiGroups: [workspace.jupyter.org]
  resources: [workspaceshares]
  resourceNames: [gatehouse-heartbeat]
  verbs: [list, watch]
{{- end }}
- apiGroups: [gatehouse.dev]
  resources: [workspacesessions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gatehouse.dev]
  resources: [onetimerecords]
  verbs: [get, list, create, delete]
- apiGroups: [gatehouse.dev]
  resources: [workspaceactivities]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [gatehouse-session-keys, gatehouse-ssh-authority]
  verbs: [get, list, watch, patch]
{{- with .secrets }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ toJson . }}
  verbs: [get]
{{- end }}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [gatehouse-housekeeping]
  verbs: [list, watch, patch]
{{- end -}}

{{- define "gatehouse.workspaceRules" -}}
- apiGroups: [workspace.jupyter.org]
  resources: [workspaces]
  verbs: [get, list, watch, patch]
- apiGroups: [workspace.jupyter.org]
  resources: [workspacetemplates]
  verbs: [list, watch]
- apiGroups: [workspace.jupyter.org]
  resources: [workspaceshares]
  verbs: [get, list, watch, create, delete]
- apiGroups: [workspace.jupyter.org]
  resources: [workspaceshares/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
- apiGroups: [apps]
  resources: [replicasets, deployments]
  verbs: [list, watch]
- apiGroups: [authorization.k8s.io]
  resources: [{{ .reviews }}]
  verbs: [create]
{{- if eq .asks "connection" }}
- apiGroups: [connection.workspace.jupyter.org]
  resources: [connectionaccessreviews]
  verbs: [create]
{{- end }}
{{- if .load }}
- apiGroups: [metrics.k8s.io]
  resources: [pods]
  verbs: [get]
{{- end }}
{{- if .logs }}
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [list]
{{- end }}
{{- end -}}
