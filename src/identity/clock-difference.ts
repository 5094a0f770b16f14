/**
 * What may lie between two clocks that nobody has set: of two replicas, of an issuer and a replica. Everything that one makes and another judges
 * by the time of day allows for it; what can be judged by how long it has been watched is (`operator/leader.ts`, claims on renewals).
 */
import type { Milliseconds } from '#lib/clock.ts'

export const mostClockDifference: Milliseconds = 5 * 60_000

/**
 * How long it has to be remembered that something was used, which is good for `life` and that long again on a clock that is behind: whoever made it
 * may be ahead, whoever noted its use behind, and whoever forgets ahead again.
 */
export function rememberedFor(life: Milliseconds): Milliseconds {
  return life + 3 * mostClockDifference
}
