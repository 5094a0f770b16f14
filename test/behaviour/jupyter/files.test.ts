import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { startDemo } from '#test/support/demo-process.ts'
import { type JupyterClient, openJupyter } from '#test/support/jupyter-client.ts'
import { createLaptopSite, notebook, startWorkspace } from '#test/support/laptop-site.ts'
import { describeWith } from '#test/support/real-parts.ts'

const megabyte = 1024 * 1024
const size = 200 * megabyte

/** Bytes that don't repeat, made one megabyte at a time. */
function* noise(): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16))
  for (let sent = 0; sent < size; sent += megabyte) yield cipher.update(Buffer.alloc(megabyte))
}

/** As JupyterLab uploads large files: pieces of a megabyte, numbered from 1, the last one -1. */
async function upload(lab: JupyterClient, path: string): Promise<string> {
  const hash = createHash('sha256')
  let count = 0
  for (const piece of noise()) {
    hash.update(piece)
    count += 1
    const answer = await lab.ask('PUT', `api/contents/${path}`, {
      type: 'file',
      format: 'base64',
      content: piece.toString('base64'),
      chunk: count === size / megabyte ? -1 : count,
    })
    if (answer.status >= 300) throw new Error(`piece ${count}: ${answer.status} ${answer.body}`)
  }
  return hash.digest('hex')
}

function download(lab: JupyterClient, base: string, path: string): Promise<{ length: number; sha256: string }> {
  const hash = createHash('sha256')
  let length = 0
  return new Promise((resolve, reject) => {
    const call = request(`${base}files/${path}`, { headers: lab.fields(path), lookup: localhostLookup, agent: false })
    call.once('error', reject)
    call.once('response', (response) => {
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        hash.update(chunk)
      })
      response.once('error', reject)
      response.once('end', () => resolve({ length, sha256: hash.digest('hex') }))
    })
    call.end()
  })
}

describeWith('jupyter', 'a real JupyterLab behind the gateway', () => {
  test('[SP2.3] 200 MB go up and come down the same, and the gateway does not hold them', async () => {
    await using site = await createLaptopSite({ samples: ['alice-notebook'] })
    await using demo = await startDemo(site)
    const alice = await site.as('alice')
    await startWorkspace(site, alice, notebook)
    const base = site.url(notebook)
    const lab = await openJupyter(alice, base)
    const before = await demo.peakMemory()
    const sha256 = await upload(lab, 'big.bin')
    expect(await download(lab, base, 'big.bin')).toEqual({ length: size, sha256 })
    expect((await demo.peakMemory()) - before).toBeLessThan(size / 2)
  }, 120_000)
})
