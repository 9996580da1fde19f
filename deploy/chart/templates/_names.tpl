{{- define "runner.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "runner.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "runner.labels" -}}
{{ include "runner.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "runner.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "runner.name" .) }}
{{- end }}

{{- /* Whether the runners end by themselves. */}}
{{- define "runner.ends" -}}
{{ if or (eq .Values.mode "job") (eq .Values.mode "scaledJob") }}yes{{ end }}
{{- end }}

{{- /* Whether KEDA is to be told how to reach a broker. */}}
{{- define "runner.asksRabbitmq" -}}
{{ if and (eq .Values.mode "scaledJob") .Values.scaling.rabbitmqQueues }}yes{{ end }}
{{- end }}
{{- define "runner.asksSqs" -}}
{{ if and (eq .Values.mode "scaledJob") .Values.scaling.sqsQueueUrls }}yes{{ end }}
{{- end }}
