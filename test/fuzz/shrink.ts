/** Makes a case smaller for as long as it still shows what it shows. */
import type { CaseMessage, RequestCase } from './request-case.ts'

const mostTries = 200

export async function shrinkCase(
  whole: RequestCase,
  shows: (candidate: RequestCase) => Promise<boolean>,
): Promise<RequestCase> {
  let smallest = whole
  let tries = 0
  for (let hasShrunk = true; hasShrunk && tries < mostTries; ) {
    hasShrunk = false
    for (const candidate of smallerThan(smallest)) {
      tries += 1
      if (tries > mostTries) break
      if (!(await shows(candidate))) continue
      smallest = candidate
      hasShrunk = true
      break
    }
  }
  return smallest
}

/** The greatest steps first. */
function* smallerThan({ messages, cuts }: RequestCase): Generator<RequestCase> {
  if (cuts.length > 0) yield { messages, cuts: [] }
  for (const index of messages.keys()) if (messages.length > 1) yield { messages: messages.toSpliced(index, 1), cuts }
  for (const [index, message] of messages.entries()) {
    for (const smaller of smallerMessages(message)) yield { messages: messages.with(index, smaller), cuts }
  }
}

/** Without some of its pieces: a field is four of them. */
function* smallerMessages({ head, body }: CaseMessage): Generator<CaseMessage> {
  if (body.length > 0) yield { head, body: [] }
  for (const size of [8, 4, 2, 1]) {
    for (let start = 0; start + size <= head.length; start += 1) yield { head: head.toSpliced(start, size), body }
    for (let start = 0; start + size <= body.length; start += 1) yield { head, body: body.toSpliced(start, size) }
  }
}
