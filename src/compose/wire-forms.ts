/** How the kinds of a cluster's gateway are kept at the API server, and what of them is held in memory. */
import { leanIdleShutdown } from '#activity/idle-shutdown.ts'
import { clientSecretKind } from '#identity/client-secret.ts'
import { keyRingKind, keyRingName } from '#identity/key-ring-record.ts'
import { sshAuthorityKind, sshAuthorityName } from '#identity/ssh-authority.ts'
import { leaseKind } from '#operator/lease.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import type { Keeping } from '#resources/kubernetes/kubernetes-resources.ts'
import { jsonSecret, leanForm, plainForm, textSecret } from '#resources/kubernetes/wire-form.ts'
import { executionProfileAnnotation, managerAnnotation, portsAnnotation } from '#workspace/annotations.ts'
import { leanResources } from '#workspace/connections.ts'
import { sharedByAnnotation, shareKind } from '#workspace/share.ts'
import { idleDefaultAnnotation, idleRulesAnnotation, templateKind } from '#workspace/template.ts'
import { createdByAnnotation, workspaceKind } from '#workspace/workspace.ts'

export const housekeepingLease = 'gatehouse-housekeeping'

/** What the gateway decides by and shows; what the pod is made of is the operator's. */
const workspaceForm = leanForm({
  spec: [
    ...['displayName', 'desiredStatus', 'ownershipType', 'accessType', 'ports'],
    ...['templateRef', 'managerRef', 'executionProfileRef', 'idleShutdown'],
    ...['appType', 'image', 'resources'],
  ],
  status: ['conditions'],
  annotations: [createdByAnnotation, portsAnnotation, managerAnnotation, executionProfileAnnotation],
  // It is on the page of everybody who may open the workspace.
  texts: { displayName: 256, appType: 64, image: 512 },
  shapes: { idleShutdown: leanIdleShutdown, resources: leanResources },
})

const templateForm = leanForm({
  spec: ['defaultIdleShutdown', 'idleShutdownOverrides', 'idleShutdownRules'],
  status: [],
  annotations: [idleRulesAnnotation, idleDefaultAnnotation],
  shapes: { defaultIdleShutdown: leanIdleShutdown },
})

const shareForm = leanForm({
  status: ['workspaces', 'observedGeneration', 'conditions'],
  annotations: [sharedByAnnotation],
})

export const wireForms: ReadonlyMap<ResourceKind<Resource>, Keeping> = new Map<ResourceKind<Resource>, Keeping>([
  [keyRingKind, { form: jsonSecret, only: keyRingName }],
  [sshAuthorityKind, { form: jsonSecret, only: sshAuthorityName }],
  [clientSecretKind, { form: textSecret }],
  [leaseKind, { form: plainForm, only: housekeepingLease }],
  [workspaceKind, { form: workspaceForm }],
  [shareKind, { form: shareForm }],
  [templateKind, { form: templateForm }],
])
