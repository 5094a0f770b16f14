/**
 * An issuer behind TLS that says of everybody what it is told to, and logs in whoever comes: mounted into the gateway's image beside `src`.
 * `POST /` on its other port, with JSON: claims beside, or instead of, those that it says by itself; `POST /alg-none` and so on: and how the login is forged.
 *
 * Environment: `ISSUER`, `TLS` (folder with `tls.crt` and `tls.key`).
 */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { json } from 'node:stream/consumers'
import { SignJWT, UnsecuredJWT } from 'jose'
import { isJsonObject } from '#lib/merge-patch.ts'
import { type Faults, faultyIssuer, newSigningKey } from './faulty-issuer.ts'

const { ISSUER: url = '', TLS: folder = '' } = process.env
const port = 8801
process.once('SIGTERM', () => process.exit(0))
const issuer = await faultyIssuer({ port, url })

const { key } = issuer
const publicKey = Buffer.from(key.publicKey.export({ type: 'spki', format: 'pem' }))
const forgeries = new Map<string, Faults>([
  ['/alg-none', { sign: async (claims) => new UnsecuredJWT({ ...claims }).encode() }],
  [
    '/public-key-as-secret',
    {
      sign: (claims) => new SignJWT({ ...claims }).setProtectedHeader({ alg: 'HS256', kid: key.kid }).sign(publicKey),
    },
  ],
  ['/unknown-key', { sign: (claims) => issuer.sign(claims, newSigningKey()) }],
  ['/wrong-state', { authorize: (answer) => answer.set('state', 'wrong') }],
])

https
  .createServer(
    { cert: readFileSync(`${folder}/tls.crt`), key: readFileSync(`${folder}/tls.key`) },
    (request, response) => {
      const { method, url: path, headers } = request
      const call = http.request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      call.once('error', () => response.destroy())
      request.pipe(call)
    },
  )
  .listen(8443)

http
  .createServer((request, response) => {
    void json(request).then((claims) => {
      const forgery = forgeries.get(request.url ?? '')
      issuer.faults = { ...forgery, claims: (good) => ({ ...good, ...(isJsonObject(claims) ? claims : {}) }) }
      response.end()
    })
  })
  .listen(8080)
