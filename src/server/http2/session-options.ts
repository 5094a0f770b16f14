/** How much a client of HTTP/2 may ask of one connection. What goes beyond ends its stream, or the connection where that is an attack. */
import type { ServerSessionOptions } from 'node:http2'
import type { Limits } from '#settings/settings.ts'

/** Bytes that a client may send of one body before it is read. */
const bodyWindow = 262_144
/** A cookie may come in pieces, each a field of its own (RFC 9113 section 8.2.3). */
const mostCrumbs = 400
/** What each field counts beside its name and value (RFC 9113 section 6.5.2). */
const fieldBytes = 32

export function sessionOptions({
  headerBytes,
  headerFields,
  streamsPerConnection,
}: Pick<Limits, 'headerBytes' | 'headerFields' | 'streamsPerConnection'>): ServerSessionOptions {
  const fields = headerFields + mostCrumbs
  return {
    settings: {
      maxConcurrentStreams: streamsPerConnection,
      initialWindowSize: bodyWindow,
      // More than a head may have, so that one that is too large gets an answer which says so.
      maxHeaderListSize: 2 * headerBytes + fields * fieldBytes,
    },
    maxHeaderListPairs: fields,
    // Streams reset by the client, in all and then a second (CVE-2023-44487): a page that is left resets those of all its files.
    streamResetBurst: 1_000,
    streamResetRate: 33,
    // Frames that break a rule, and that hold nothing (CVE-2019-9518).
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    // Entries of one SETTINGS frame.
    maxSettings: 32,
    // MB: of what waits to be sent, and of heads; a few pieces of as many answers as there may be at once. New streams are refused beyond it.
    maxSessionMemory: 32,
    strictSingleValueFields: false,
  }
}
