{{- /* Options that follow from other values, and the option that each value stands for. */}}
{{- define "runner.options" -}}
{{- $own := dict
  "WORKING_DIR" "/scratch"
  "CERTS_DIR" "/certs"
  "MAX_DISK" (printf "%dmib" (div (mul (int .Values.resources.scratchGiB) 1024 85) 100))
  "DRAIN_TIMEOUT" (printf "%ds" (int .Values.stop.drainTimeoutSeconds))
  "TERMINATION_GRACE" (printf "%ds" (int .Values.stop.terminationGraceSeconds))
  "STOP_UPLOAD" (printf "%ds" (int .Values.stop.stopUploadSeconds))
  "PROM_ADDRESS" ":9090"
}}
{{- if .Values.sqs.accounts }}{{ $_ := set $own "SQS_CERTS" "/certs/aws-sqs" }}{{ end }}
{{- if .Values.pubsub.secret }}{{ $_ := set $own "PUBSUB_CERTS" "/certs/pubsub" }}{{ end }}
{{- if not .Values.resources.gpu }}{{ $_ := set $own "CPU_ONLY" "true" }}{{ end }}
{{- if .Values.states.enabled }}
{{- $_ := set $own "K8S_NAMESPACE" .Release.Namespace }}
{{- $_ := set $own "K8S_CONFIGMAP" .Values.states.configMap }}
{{- end }}
{{- if include "runner.ends" . }}
{{- $_ := set $own "LIMIT_TASKS" (int .Values.limits.tasks | toString) }}
{{- $_ := set $own "LIMIT_IDLE_DURATION" (printf "%ds" (int .Values.limits.idleSeconds)) }}
{{- end }}
{{- range $name, $value := .Values.options }}
{{- if hasKey $own $name }}{{ fail (printf "options.%s: the chart sets it from its other values (it would be %s)" $name (get $own $name)) }}{{ end }}
{{- $_ := set $own $name (kindIs "string" $value | ternary $value (toJson $value)) }}
{{- end }}
{{- range $name, $value := $own }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
