/**
 * Stands in for the extension API server of jupyter-k8s, and is not it: of its contract it has ConnectionAccessReview alone, which it decides as that
 * does, by real questions to the real API server. RBAC comes first, so that a no hides what exists; then whether there is such a Workspace; then
 * whether it is public or the asker's own. It believes whoever connects to be the API server.
 *
 * A pod's program, mounted into the gateway's image beside `src`. `GET /` on its other port: every review so far, with who asked.
 * Environment: `TLS` (folder with `tls.crt` and `tls.key`), `NODE_EXTRA_CA_CERTS` (the API server's).
 */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { json } from 'node:stream/consumers'
import { isJsonObject } from '#lib/merge-patch.ts'

type Json = Readonly<Record<string, unknown>>

const group = 'connection.workspace.jupyter.org'
const root = `/apis/${group}/v1alpha1`
const account = '/var/run/secrets/kubernetes.io/serviceaccount'
const folder = process.env.TLS ?? ''
process.once('SIGTERM', () => process.exit(0))

const asked: object[] = []

const objectOf = (value: unknown): Json => (isJsonObject(value) ? value : {})

async function api(path: string, body?: object): Promise<{ readonly status: number; readonly body: Json }> {
  const token = readFileSync(`${account}/token`, 'utf8')
  const answer = await fetch(`https://kubernetes.default.svc${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  return { status: answer.status, body: objectOf(await answer.json()) }
}

async function statusOf(namespace: string, spec: Json): Promise<object> {
  const { user, groups, uid, extra, workspaceName } = spec
  const resourceAttributes = { namespace, verb: 'create', group, resource: 'workspaceconnections' }
  const review = await api('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    ...{ apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview' },
    spec: { user, groups, uid, extra, resourceAttributes },
  })
  if (objectOf(review.body.status).allowed !== true) return no('RBAC permission denied')
  const found = await api(
    `/apis/workspace.jupyter.org/v1alpha1/namespaces/${namespace}/workspaces/${encodeURIComponent(String(workspaceName))}`,
  )
  if (found.status === 404) return { allowed: false, notFound: true, reason: 'Workspace not found' }
  const accessType = objectOf(found.body.spec).accessType ?? ''
  if (accessType === '' || accessType === 'Public') return yes('Valid RBAC and the subject Workspace is public')
  const owner = objectOf(objectOf(found.body.metadata).annotations)['workspace.jupyter.org/created-by']
  if (owner === user) return yes('Valid RBAC and user is the owner of the private Workspace')
  return no('User is not the owner of the private Workspace')
}

const no = (reason: string) => ({ allowed: false, notFound: false, reason })
const yes = (reason: string) => ({ allowed: true, notFound: false, reason })

async function answerTo(request: http.IncomingMessage): Promise<{ readonly code: number; readonly body: object }> {
  const { method, url = '', headers } = request
  const [path = ''] = url.split('?')
  if (method === 'GET' && path === root) return { code: 200, body: resources }
  const [, namespace] = new RegExp(`^${root}/namespaces/([^/]+)/connectionaccessreviews$`).exec(path) ?? []
  if (method !== 'POST' || namespace === undefined) return { code: 404, body: { error: 'not found' } }
  const review = objectOf(await json(request))
  const spec = objectOf(review.spec)
  if (!spec.workspaceName) return { code: 400, body: { error: 'WorkspaceName is required in the spec' } }
  const status = await statusOf(namespace, spec)
  asked.push({ by: headers['x-remote-user'], namespace, spec, status })
  return { code: 200, body: { ...review, status } }
}

const resources = {
  ...{ kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${group}/v1alpha1` },
  resources: ['WorkspaceConnection', 'ConnectionAccessReview', 'BearerTokenReview'].map((kind) => ({
    ...{ name: `${kind.toLowerCase()}s`, singularName: kind.toLowerCase(), namespaced: true, kind, verbs: ['create'] },
  })),
}

https
  .createServer(
    { cert: readFileSync(`${folder}/tls.crt`), key: readFileSync(`${folder}/tls.key`) },
    (request, response) => {
      answerTo(request).then(
        ({ code, body }) => {
          response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body))
        },
        (error: unknown) => {
          process.stderr.write(`${error}\n`)
          response.writeHead(500).end(JSON.stringify({ error: 'Failed to verify access permission' }))
        },
      )
    },
  )
  .listen(8443)

http.createServer((_request, response) => response.end(JSON.stringify(asked))).listen(8080)
