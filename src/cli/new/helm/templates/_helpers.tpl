{{/* What the templates share. */}}

{{/* The name of all objects: the release's. Helm allows dots in it, a Service does not. */}}
{{- define "CHARTNAME.fullname" -}}
{{- .Release.Name | replace "." "-" }}
{{- end }}

{{/* What tells the Pods of this release from all others; it cannot be changed later. */}}
{{- define "CHARTNAME.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of every object. */}}
{{- define "CHARTNAME.labels" -}}
{{ include "CHARTNAME.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The image: by digest, else by tag. */}}
{{- define "CHARTNAME.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* The ServiceAccount that the Pods run as. */}}
{{- define "CHARTNAME.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "CHARTNAME.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}
