{{- /* The pod of a runner: template of Deployment, Job and ScaledJob. */}}
{{- define "runner.pod" -}}
metadata:
  labels:
    {{- include "runner.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    studioml-runner/options: {{ include "runner.options" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "runner.serviceAccount" . }}
  # Experiments are other people's programs: they get no token of the cluster, unless the runner needs one.
  automountServiceAccountToken: {{ .Values.states.enabled }}
  enableServiceLinks: false
  {{- if include "runner.ends" . }}
  restartPolicy: Never
  {{- end }}
  terminationGracePeriodSeconds: {{ add .Values.stop.drainTimeoutSeconds .Values.stop.terminationGraceSeconds .Values.stop.stopUploadSeconds 30 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: { type: RuntimeDefault }
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: runner
      image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      ports:
        - { name: http, containerPort: 9090 }
      envFrom:
        - configMapRef: { name: {{ include "runner.name" . }} }
        {{- with .Values.rabbitmq.secret }}
        - secretRef: { name: {{ . }} }
        {{- end }}
        {{- range .Values.envSecrets }}
        - secretRef: { name: {{ . }} }
        {{- end }}
      {{- if or .Values.sqs.region .Values.resources.gpu }}
      env:
        {{- with .Values.sqs.region }}
        - { name: AWS_REGION, value: {{ . | quote }} }
        {{- end }}
        {{- if .Values.resources.gpu }}
        # nvidia-smi comes with utility.
        - { name: NVIDIA_DRIVER_CAPABILITIES, value: 'compute,utility' }
        {{- end }}
      {{- end }}
      startupProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 20
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
      resources:
        {{- range $kind := list "requests" "limits" }}
        {{ $kind }}:
          cpu: {{ $.Values.resources.cpu | quote }}
          memory: {{ $.Values.resources.memory }}
          ephemeral-storage: {{ add $.Values.resources.scratchGiB 1 }}Gi
          {{- if $.Values.resources.gpu }}
          {{ $.Values.resources.gpuResource }}: {{ $.Values.resources.gpu }}
          {{- end }}
        {{- end }}
      volumeMounts:
        - { name: scratch, mountPath: /scratch }
        - { name: scratch, mountPath: /home/runner, subPath: home }
        - { name: scratch, mountPath: /tmp, subPath: tmp }
        {{- with .Values.keys.encryption }}
        - { name: encryption, mountPath: /certs/message/encryption, readOnly: true }
        {{- end }}
        {{- with .Values.keys.passphrase }}
        - { name: passphrase, mountPath: /certs/message/passphrase, readOnly: true }
        {{- end }}
        {{- with .Values.keys.signing }}
        - { name: signing, mountPath: /certs/queues/signing, readOnly: true }
        {{- end }}
        {{- with .Values.keys.responses }}
        - { name: responses, mountPath: /certs/queues/response-encrypt, readOnly: true }
        {{- end }}
        {{- range .Values.sqs.accounts }}
        - { name: sqs-{{ .name }}, mountPath: /certs/aws-sqs/{{ .name }}, readOnly: true }
        {{- end }}
        {{- with .Values.pubsub.secret }}
        - { name: pubsub, mountPath: /certs/pubsub, readOnly: true }
        {{- end }}
  volumes:
    - name: scratch
      emptyDir: { sizeLimit: {{ .Values.resources.scratchGiB }}Gi }
    {{- /* A Secret that comes later is mounted when it comes: a runner leaves a queue alone until its keys are there. */}}
    {{- range $name, $secret := .Values.keys }}
    {{- if $secret }}
    - name: {{ $name }}
      secret: { secretName: {{ $secret }}, optional: true, defaultMode: 0440 }
    {{- end }}
    {{- end }}
    {{- range .Values.sqs.accounts }}
    - name: sqs-{{ .name }}
      secret: { secretName: {{ .secret }}, optional: true, defaultMode: 0440 }
    {{- end }}
    {{- with .Values.pubsub.secret }}
    - name: pubsub
      secret: { secretName: {{ . }}, optional: true, defaultMode: 0440 }
    {{- end }}
{{- end }}
