/** Waiting for a workspace to get somewhere, with what happens meanwhile on standard error. */

import { CliFault, isCliFault } from '#cli/client/cli-fault.ts'
import type { Client } from '#cli/client/client.ts'
import { parseJson } from '#cli/client/deployments.ts'
import { readEvents } from '#cli/client/event-reader.ts'
import type { Output, PersonIo } from '#cli/client/person-io.ts'
import { unknownWorkspace } from '#cli/client/workspace-argument.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { sleep } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import { checkerOf } from '#lib/schema.ts'
import { printable } from '#observe/printable.ts'
import { WorkspaceSchema, type WorkspaceView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'

/** `reached`, `failed` with what it says of itself, or not yet. */
export type Judgement = 'reached' | 'failed' | 'waiting'

export interface Wait {
  readonly ref: WorkspaceRef
  readonly judge: (view: WorkspaceView) => Judgement
  readonly limit: Milliseconds
  /** `runs`, `has stopped`: what it is waited for. */
  readonly what: string
}

/** One that failed may be tried again by whoever runs it: it has failed when it stays so. */
const failedFor: Milliseconds = 5_000
const againAfter: Milliseconds = 1_000

/** The view in which it is reached. Throws `not_reached` when it failed or took too long, `not_found` when it is gone. */
export async function waitFor(client: Client, io: PersonIo, wait: Wait): Promise<WorkspaceView> {
  using deadline = deadlineOf(io.clock, wait.limit, io.signal)
  const steps = stepPrinter(io.stderr)
  const failing = failureTimer(io.clock)
  const signal = AbortSignal.any([deadline.signal, failing.signal])
  let last: WorkspaceView | undefined
  try {
    for await (const view of viewsOf(client, io, wait.ref, signal)) {
      last = view
      steps(view)
      const judged = wait.judge(view)
      if (judged === 'reached') return view
      failing.note(judged === 'failed')
    }
    throw new CliFault('not_reached', 'the gateway says nothing more')
  } catch (error) {
    if (failing.signal.aborted && last) throw new CliFault('not_reached', `${last.reason}: ${last.message}`)
    if (!deadline.isPast()) throw error
    const said = last ? ` (${last.state}, ${last.reason}: ${last.message})` : ''
    throw new CliFault('not_reached', `it took longer than ${wait.limit / 1000} s until it ${wait.what}${said}`)
  } finally {
    failing.note(false)
  }
}

/** Aborted when the failure has lasted. */
function failureTimer(clock: Clock): { readonly signal: AbortSignal; note(isFailed: boolean): void } {
  const failed = new AbortController()
  let timer: Disposable | undefined
  return {
    signal: failed.signal,
    note(isFailed) {
      if (isFailed) timer ??= clock.after(failedFor, () => failed.abort(new Error('it failed')))
      else {
        timer?.[Symbol.dispose]()
        timer = undefined
      }
    },
  }
}

/** Steps that were not shown yet. */
function stepPrinter(stderr: Output): (view: WorkspaceView) => void {
  const shown = new Set<string>()
  let state = ''
  const show = (line: string) => {
    if (!shown.has(line)) stderr.write(`${printable(line)}\n`)
    shown.add(line)
  }
  return (view) => {
    for (const { at, reason, message } of view.steps) show(`${at}  ${reason}: ${message}`)
    const now = `${view.state} (${view.reason}): ${view.message}`
    if (now !== state) stderr.write(`${printable(now)}\n`)
    state = now
  }
}

const check = checkerOf(WorkspaceSchema)

/** Comes again when a stream ends, as streams do when replicas are changed. */
async function* viewsOf(
  client: Client,
  io: PersonIo,
  ref: WorkspaceRef,
  signal: AbortSignal,
): AsyncGenerator<WorkspaceView, void, void> {
  for (;;) {
    signal.throwIfAborted()
    try {
      yield* viewsIn(await client.stream(api.events(ref), signal), ref)
    } catch (error) {
      if (signal.aborted || (error instanceof CliFault && !isPassing(error))) throw error
    }
    await sleep(io.clock, againAfter, signal)
  }
}

/** Of one stream, to its end. */
async function* viewsIn(stream: AsyncIterable<unknown>, ref: WorkspaceRef): AsyncGenerator<WorkspaceView, void, void> {
  for await (const { name, data } of readEvents(stream)) {
    if (name === 'gone') throw unknownWorkspace(`${ref.namespace}/${ref.name}`)
    if (name === 'end') return
    const view = check(parseJson(data) ?? null)
    if (name === 'workspace' && view.ok) yield view.value
  }
}

/** Faults of the way to the gateway, or of its store: they may be over the next time. */
function isPassing(error: CliFault): boolean {
  return isCliFault(error, 'unreachable', 'timed_out', 'store_unavailable', 'too_many_streams')
}
