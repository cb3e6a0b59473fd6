{{- /* Short enough for a pod's name to be the name of an overlay, 32 characters. */ -}}
{{- define "keepstone.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 28 | trimSuffix "-" -}}
{{- end -}}

{{- define "keepstone.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "keepstone.labels" -}}
{{ include "keepstone.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "keepstone.account" -}}
{{- .Values.serviceAccount.name | default (include "keepstone.name" .) -}}
{{- end -}}

{{- /* How many pods there may ever be: each needs its overlay before it starts. */ -}}
{{- define "keepstone.most" -}}
{{- if .Values.autoscaling.enabled -}}{{ max .Values.replicas .Values.autoscaling.most }}{{- else -}}{{ .Values.replicas }}{{- end -}}
{{- end -}}

{{- define "keepstone.scheme" -}}
{{- if .Values.mesh.enabled -}}HTTP{{- else -}}HTTPS{{- end -}}
{{- end -}}
