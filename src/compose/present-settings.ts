/** What of the settings in force those need who outlive them. */
import { GatewayError } from '#errors.ts'
import type { Issuer } from '#identity/issuer.ts'
import type { Issuers } from '#identity/issuers.ts'
import type { Site } from '#workspace/address.ts'

export class PresentSettings implements Pick<Issuers, 'byUrl'> {
  #inForce: { readonly site: Site; readonly issuers: Pick<Issuers, 'byUrl'> } | undefined

  /** Throws `invalid_settings` while there are none. */
  get site(): Site {
    if (!this.#inForce) throw new GatewayError('invalid_settings', 'no settings are in force yet')
    return this.#inForce.site
  }

  byUrl(issuer: string): Issuer | undefined {
    return this.#inForce?.issuers.byUrl(issuer)
  }

  become(inForce: { readonly site: Site; readonly issuers: Pick<Issuers, 'byUrl'> }): void {
    this.#inForce = inForce
  }
}
