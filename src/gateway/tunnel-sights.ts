/** What a tunnel says of who is at work, as {@link Sightings} hands it on. */
import type { Onlooker } from '#activity/onlooker.ts'
import { sight } from '#activity/sight.ts'
import { SshActivity } from '#activity/ssh-activity.ts'
import type { Clock } from '#lib/clock.ts'
import { portForward } from '#workspace/connections.ts'

/** To be told what passes, and its end. */
export interface TunnelSights {
  observe(from: 'client' | 'upstream', bytes: number): void
  /** Every twenty seconds. */
  look(): void
  end(): void
}

/** Nobody knows what speaks through a port that is forwarded. */
const forwarded = sight('unknown', 'tunnel:message')

export function tunnelSights(onlooker: Onlooker, connectionType: string, clock: Clock): TunnelSights {
  onlooker.enter()
  const end = () => onlooker.leave()
  if (connectionType === portForward) {
    const observe = (from: 'client' | 'upstream') => {
      if (from === 'client') onlooker.saw(forwarded)
    }
    return { observe, look: () => undefined, end }
  }
  const activity = new SshActivity(clock, (seen) => onlooker.saw(seen))
  return {
    observe: (from, bytes) => (from === 'client' ? activity.fromClient(bytes) : activity.fromServer(bytes)),
    look: () => activity.look(),
    end,
  }
}
