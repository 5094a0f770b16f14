/**
 * An issuer behind TLS that says of everybody what it is told to, and logs in whoever comes: mounted into the gateway's image beside `src`.
 * `POST /` on its other port, with JSON: claims beside, or instead of, those that it says by itself.
 *
 * Environment: `ISSUER`, `TLS` (folder with `tls.crt` and `tls.key`).
 */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { json } from 'node:stream/consumers'
import { isJsonObject } from '#lib/merge-patch.ts'
import { faultyIssuer } from './faulty-issuer.ts'

const { ISSUER: url = '', TLS: folder = '' } = process.env
const port = 8801
process.once('SIGTERM', () => process.exit(0))
const issuer = await faultyIssuer({ port, url })

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
      issuer.faults = { claims: (good) => ({ ...good, ...(isJsonObject(claims) ? claims : {}) }) }
      response.end()
    })
  })
  .listen(8080)
