/** A TCP port that nobody listens on, on either loopback address, a moment ago. */
import { randomInt } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Below those that systems hand out by themselves (32768 and up on Linux): one of them could be an outgoing connection's, or another
 * test's, before the caller listens.
 */
const first = 16_384
const last = 32_767

/** The first of `count` consecutive ports. No other process of the tests gets one of them while this one lives. */
export async function freePort(count = 1): Promise<number> {
  for (;;) {
    const port = randomInt(first, last + 2 - count)
    const ports = Array.from({ length: count }, (_, offset) => port + offset)
    if (ports.every(reserve) && (await areFree(ports))) return port
  }
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    if (!((await isFree(port, '127.0.0.1')) && (await isFree(port, '::1')))) return false
  }
  return true
}

/** Between the look and the caller's `listen` lies time in which a second process may look as well: a file of its own says whose it is. */
function reserve(port: number): boolean {
  const folder = join(tmpdir(), 'gatehouse-test-ports')
  const file = join(folder, String(port))
  mkdirSync(folder, { recursive: true })
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    forgetDead(file)
    return false
  }
}

/** Somebody may get it later. A file that is empty was made this moment. */
function forgetDead(file: string): void {
  const owner = existsSync(file) ? readFileSync(file, 'utf8') : ''
  if (owner !== '' && !isAlive(Number(owner))) rmSync(file, { force: true })
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch {
    return false
  }
}

/** An address that this machine doesn't have is nobody's. */
function isFree(port: number, host: string): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false)
      else if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') resolve(true)
      else reject(error)
    })
    server.listen({ port, host, ipv6Only: true }, () => server.close(() => resolve(true)))
  })
}
