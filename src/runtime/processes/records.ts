/**
 * What a Gatehouse that was killed leaves behind: one file says whose folder this is, one file an instance which processes it has,
 * so that the next one can end them, and nobody else's.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { GatewayError } from '#errors.ts'
import { checkerOf } from '#lib/schema.ts'
import type { Log } from '#observe/log.ts'
import type { InstanceUid } from '#runtime/contract.ts'
import { type EndOptions, endGroup } from './process-group.ts'
import { bootId, isStill, type ProcessIdentity, readProcess } from './process-table.ts'
import { removeSocketsFolder } from './socket-folder.ts'

const Identity = Type.Object({ pid: Type.Integer({ minimum: 2 }), startTime: Type.String() })

const checkOwner = checkerOf(
  Type.Object({ bootId: Type.String(), process: Identity, sockets: Type.Optional(Type.String()) }),
)
const checkInstance = checkerOf(
  Type.Object({
    bootId: Type.String(),
    mark: Type.String({ minLength: 36 }),
    /** Leader of the process group; absent when Gatehouse ended between writing this and starting it. */
    process: Type.Optional(Identity),
  }),
)

const ownerName = 'owner.json'
const instanceSuffix = '.instance.json'

export class InstanceRecords {
  readonly #folder: string
  readonly #home: string

  private constructor(home: string) {
    this.#home = home
    this.#folder = join(home, 'run')
  }

  /**
   * Takes the folder over: ends what an earlier Gatehouse left there. Throws `runtime_failed` while another one is alive,
   * for it would end that one's instances.
   */
  static async take(home: string, options: EndOptions): Promise<InstanceRecords> {
    const records = new InstanceRecords(home)
    await mkdir(records.#folder, { recursive: true, mode: 0o700 })
    await records.#takeOwnership(options)
    return records
  }

  /** Where the sockets are, so that the next one can remove them. */
  async keepSocketsFolder(sockets: string): Promise<void> {
    await this.#write(ownerName, { ...identityOfThis(), sockets })
  }

  /** Before its start without a process, after it with the leader of its group. */
  async keep(instance: InstanceUid, leader: number | undefined): Promise<void> {
    const found = leader === undefined ? undefined : readProcess(leader)
    const process = found && { pid: found.pid, startTime: found.startTime }
    await this.#write(`${instance}${instanceSuffix}`, { bootId: bootId() ?? '', mark: instance, process })
  }

  async forget(instance: InstanceUid): Promise<void> {
    await rm(join(this.#folder, `${instance}${instanceSuffix}`), { force: true })
  }

  /** Nothing runs any more; the folder is free for the next one. */
  async release(): Promise<void> {
    await rm(join(this.#folder, ownerName), { force: true })
  }

  async #takeOwnership(options: EndOptions): Promise<void> {
    const path = join(this.#folder, ownerName)
    const mine = JSON.stringify(identityOfThis())
    const isFirst = await writeFile(path, mine, { flag: 'wx', mode: 0o600 }).then(
      () => true,
      () => false,
    )
    const before = isFirst ? undefined : await this.#readOwner()
    if (before && before.bootId === bootId() && isStill(before.process)) {
      const message = `another Gatehouse (process ${before.process.pid}) runs workspaces in ${this.#home}`
      throw new GatewayError('runtime_failed', message)
    }
    if (!isFirst) await this.#write(ownerName, identityOfThis())
    await this.#endLeftovers(options)
    if (before?.sockets !== undefined) await removeSocketsFolder(before.sockets, this.#home)
  }

  async #endLeftovers(options: EndOptions): Promise<void> {
    const names = await readdir(this.#folder)
    const records = names.filter((name) => name.endsWith(instanceSuffix))
    await Promise.all(records.map((name) => this.#endLeftover(join(this.#folder, name), options)))
  }

  async #endLeftover(path: string, options: EndOptions): Promise<void> {
    const record = await readJson(path, checkInstance, options.log)
    if (record && record.bootId === bootId()) {
      const { mark, process } = record
      const group = process && isStill(process) ? process.pid : undefined
      if (group !== undefined) options.log.info({ pid: group, instance: mark }, 'ending what was left running')
      await endGroup({ group, mark }, options)
    }
    await rm(path, { force: true })
  }

  async #readOwner() {
    return readJson(join(this.#folder, ownerName), checkOwner, undefined)
  }

  async #write(name: string, value: unknown): Promise<void> {
    const path = join(this.#folder, name)
    await writeFile(`${path}.new`, JSON.stringify(value), { mode: 0o600 })
    await rename(`${path}.new`, path)
  }
}

function identityOfThis(): { bootId: string; process: ProcessIdentity } {
  const { pid } = process
  return { bootId: bootId() ?? '', process: { pid, startTime: readProcess(pid)?.startTime ?? '' } }
}

/** A file that was cut off by a crash is one that says nothing. */
async function readJson<T>(
  path: string,
  check: (value: unknown) => { ok: true; value: T } | { ok: false },
  log: Log | undefined,
): Promise<T | undefined> {
  try {
    const checked = check(JSON.parse(await readFile(path, 'utf8')))
    if (checked.ok) return checked.value
    log?.warn({ file: path }, 'a record of an instance is not readable')
  } catch (error) {
    log?.warn({ file: path, error }, 'a record of an instance is not readable')
  }
  return undefined
}
