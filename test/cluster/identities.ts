/** Who somebody is, by issuers that are changed in the WorkspaceManager while the gateway runs: prefixes, claims, groups, two at once. */
import { beforeAll, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import { createScriptedBrowser, type Page, type ScriptedBrowser } from '#test/support/browser-session.ts'
import { apply, listObjects } from '#test/support/cluster-api.ts'
import { type ClaimsPod, type Forgery, startClaimsPod } from '#test/support/cluster-site/claims-pod.ts'
import { lookupOf } from '#test/support/cluster-site/names.ts'
import { type ClusterSite, openWhenRunning } from '#test/support/cluster-site/site.ts'
import type { EchoAnswer } from '#test/support/echo-container.ts'
import { openRedirects } from '#test/support/open-redirects.ts'
import { until } from '#test/support/until.ts'

interface Manager {
  readonly metadata: { readonly generation: number }
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string
      readonly status: string
      readonly observedGeneration: number
    }[]
  }
}

/** The site has one replica, whose log says why somebody was refused; its people can't log in any more afterwards. */
export function identities(siteOf: () => ClusterSite): void {
  let site: ClusterSite
  let claims: ClaimsPod

  beforeAll(async () => {
    site = siteOf()
    claims = await startClaimsPod(site)
  }, 120_000)

  const newBrowser = () =>
    createScriptedBrowser({
      lookup: lookupOf((name) => (name === claims.host ? claims.address : site.addressOf(name))),
      ca: site.caText,
    })

  const clientSecretRef = { name: 'gatehouse-oidc', key: 'client-secret' }
  const mainIssuer = () => ({
    id: 'main',
    issuer: `https://idp.${site.namespace}.svc`,
    clientId: 'gatehouse',
    clientSecretRef,
  })
  const claimsIssuer = () => ({ id: 'claims', issuer: claims.issuer, clientId: 'gatehouse', clientSecretRef })

  /** In force when this returns. */
  async function setIssuers(...oidc: readonly object[]): Promise<void> {
    await site.manage({ oidc })
    const seen: { manager?: Manager } = {}
    await until(
      async () => {
        seen.manager = await site.manager<Manager>()
        const { metadata, status } = seen.manager
        const accepted = status?.conditions?.find(({ type }) => type === 'Accepted')
        return accepted?.observedGeneration === metadata.generation && accepted.status === 'True' ? true : undefined
      },
      () => JSON.stringify(seen.manager),
    )
  }

  const textOf = ({ body }: Page) =>
    body
      .replace(/<style>[\s\S]*?<\/style>|<[^>]*>/g, ' ')
      .replaceAll('&amp;', '&')
      .replace(/\s+/g, ' ')

  /** An issuer that has just been named may not be found yet; the page that says so is loaded again by browsers. */
  const openWhenFound = (browser: ScriptedBrowser, url: string): Promise<Page> =>
    until(async () => {
      const page = await browser.open(url)
      return page.status === 503 ? undefined : page
    })

  /** As the page of whoever is logged in shows it, and as programs read it. */
  async function whoIs(browser: ScriptedBrowser): Promise<{ username: string; groups: readonly string[] }> {
    const page = await openWhenFound(browser, site.origin + paths.whoami)
    const { username, groups } = JSON.parse((await browser.fetch(site.origin + api.whoami)).body)
    for (const said of [username, ...groups]) expect(textOf(page)).toContain(said)
    return { username, groups }
  }

  const someone = { preferred_username: 'alice', email: 'a@corp.com', email_verified: true }
  const groups = { groups: ['x', 'y'], group: 'x', realm_access: { roles: ['x'] } }

  test('[JK2.8] [JK3.1] [JK3.4] the user name is the claim that the administrator chose, with a prefix; groups come as a list, one string or nested; the page shows what came of it', {
    timeout: 120_000,
  }, async () => {
    const github = { ...claimsIssuer(), usernamePrefix: 'github:', groupsPrefix: 'github:' }
    const both = ['github:x', 'github:y']
    // Nobody whom the other issuer of this site has vouched for.
    await claims.says({ ...someone, preferred_username: 'ann', ...groups })
    const by = async (fields: object) => {
      await setIssuers({ ...github, ...fields })
      return whoIs(newBrowser())
    }
    expect(await by({ usernameClaim: 'sub' })).toEqual({ username: 'github:sub-alice', groups: both })
    expect(await by({ usernameClaim: 'email' })).toEqual({ username: 'github:a@corp.com', groups: both })
    expect(await by({ usernameClaim: 'preferred_username' })).toEqual({ username: 'github:ann', groups: both })
    for (const groupsClaim of ['group', 'realm_access.roles'])
      expect(await by({ groupsClaim })).toEqual({ username: 'github:ann', groups: ['github:x'] })
    expect(await by({ usernamePrefix: '', groupsPrefix: '' })).toEqual({ username: 'ann', groups: ['x', 'y'] })
  })

  /** Of the log and the audit trail. */
  async function logLines(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const [replica] = site.replicas
    const lines = (await site.ours(['logs', replica?.pod ?? ''])).split('\n').filter((line) => line.startsWith('{'))
    return lines.map((line) => JSON.parse(line))
  }

  /** Tries to log in as what the issuer says, and is nobody afterwards. */
  async function isRefused(said: object, forgery?: Forgery): Promise<void> {
    await claims.says(said, forgery)
    const browser = newBrowser()
    const { status } = await openWhenFound(browser, `${site.origin}/`)
    expect([400, 403]).toContain(status)
    expect((await browser.navigate(`${site.origin}/`)).status).toBe(302)
  }

  /** The refusal, as the audit trail has it. */
  async function refusalOf(said: object): Promise<string | undefined> {
    await isRefused(said)
    const denials = (await logLines()).filter(({ event }) => event === 'deny')
    return String(denials.at(-1)?.reason)
  }

  test('[JK3.2] names of Kubernetes and empty names are refused, as a user and as a group', {
    timeout: 60_000,
  }, async () => {
    await setIssuers(claimsIssuer())
    for (const name of ['system:admin', 'system:masters', 'system:serviceaccount:kube-system:x', 'system:'])
      expect([name, await refusalOf({ preferred_username: name })]).toEqual([name, 'login:username_reserved'])
    for (const name of ['', null])
      expect([name, await refusalOf({ preferred_username: name })]).toEqual([name, 'login:username_missing'])
    await claims.says({
      preferred_username: 'grouped',
      sub: 'grouped',
      groups: ['system:masters', 'system:', '', 'ds'],
    })
    expect(await whoIs(newBrowser())).toEqual({ username: 'grouped', groups: ['ds'] })
  })

  test('[JK3.3] an address counts only if the issuer says that it is verified, by nothing but true', {
    timeout: 60_000,
  }, async () => {
    await setIssuers({ ...claimsIssuer(), usernameClaim: 'email' })
    const mail = { sub: 'by-mail', email: 'm@corp.com' }
    expect(await refusalOf(mail)).toBe('login:email_unverified')
    for (const verified of [false, 'true', 1, null])
      expect(await refusalOf({ ...mail, email_verified: verified })).toBe('login:email_unverified')
    await claims.says({ ...mail, email_verified: true })
    expect((await whoIs(newBrowser())).username).toBe('m@corp.com')
  })

  test('[JK2.7] two issuers at once: the person chooses, and each vouches for its own people, who are never mixed up', {
    timeout: 90_000,
  }, async () => {
    await setIssuers(
      { ...mainIssuer(), displayName: 'One', usernamePrefix: 'one:', groupsPrefix: 'one:' },
      { ...claimsIssuer(), displayName: 'Corp', usernamePrefix: 'corp:', groupsPrefix: 'corp:' },
    )
    await claims.says(someone)
    await letIn('corp:alice')
    const { url } = await site.workspace('nb', { owner: 'corp:alice' })
    const at = async (name: string) => {
      const browser = newBrowser()
      const choice = await browser.open(`${url}lab?x=1`)
      expect([choice.status, choice.url.pathname]).toEqual([200, paths.login])
      const links = [...choice.body.matchAll(/href="([^"]*issuer=[^"]*)">([^<]*)</g)]
      expect(links.map(([, , text]) => text)).toEqual(['One', 'Corp'])
      const link = links.find(([, , text]) => text === name)?.[1]?.replaceAll('&amp;', '&') ?? ''
      await browser.open(new URL(link, choice.url))
      return browser
    }
    const corp = await at('Corp')
    const page = await openWhenRunning(corp, `${url}lab?x=1`)
    const echo: EchoAnswer = JSON.parse(page.body)
    expect([echo.url, echo.headers['X-Forwarded-User']]).toEqual(['/lab?x=1', 'corp:alice'])
    const one = await at('One')
    await one.login('alice', site.password)
    expect([one.page.status, one.page.url.href]).toEqual([403, `${url}lab?x=1`])
    expect((await whoIs(corp)).username).toBe('corp:alice')
    expect((await whoIs(one)).username).toBe('one:alice')
  })

  const ann = { preferred_username: 'ann' }
  const fromNow = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
  /** By what the log says of it. */
  const forged: readonly (readonly [reason: string, said: object, forgery?: Forgery])[] = [
    ['state_foreign', ann, 'wrong-state'],
    ['id_token_nonce', { ...ann, nonce: 'of-another-attempt' }],
    ['token_issuer', { ...ann, iss: 'https://evil.test' }],
    ['token_audience', { ...ann, aud: 'another-client' }],
    ['token_authorized_party', { ...ann, azp: 'other' }],
    ['token_expired', { ...ann, exp: fromNow(-3_600) }],
    ['token_alg_none', ann, 'alg-none'],
    ['token_alg_symmetric', ann, 'public-key-as-secret'],
    ['token_unknown_key', ann, 'unknown-key'],
  ]

  test('#40 [JK2.2] wrong state, nonce, iss, aud, azp, an expired token, alg none, HS256 with the public key and an unknown kid are refused, each with a log reason of its own', {
    timeout: 90_000,
  }, async () => {
    await setIssuers(claimsIssuer())
    const sessions = async () => {
      const kind = { apiVersion: 'gatehouse.dev/v1alpha1', kind: 'WorkspaceSession', namespace: site.namespace }
      return (await listObjects<{ metadata: { name: string } }>(kind)).map(({ metadata }) => metadata.name)
    }
    const before = await sessions()
    const reasons = async (from: number) => (await logLines()).slice(from).map(({ reason }) => reason)
    expect(new Set(forged.map(([reason]) => reason)).size).toBe(9)
    for (const [reason, said, forgery] of forged) {
      const { length } = await logLines()
      await isRefused(said, forgery)
      const told = [reason, `login:${reason}`]
      await expect.poll(() => reasons(length)).toEqual(expect.arrayContaining(told))
      const others = forged.map(([other]) => other).filter((other) => other !== reason)
      expect((await reasons(length)).filter((one) => others.includes(String(one)))).toEqual([])
    }
    expect(await sessions()).toEqual(before)
    await claims.says(ann)
    expect((await whoIs(newBrowser())).username).toBe('ann')
  })

  test('#51 [JK2.6] a login and a hand-over lead back to our own places alone, whatever the link that began it says', {
    timeout: 90_000,
  }, async () => {
    await setIssuers(claimsIssuer())
    await claims.says(ann)
    await whoIs(newBrowser())
    const place = new URL(site.origin)
    const fits = (target: string) => encodeURIComponent(target).length < 6_000
    // With and without the port that is ours, where they play with our own name.
    const ours = [place.host, place.hostname]
    const all = Object.values(openRedirects).flatMap((targets) =>
      targets.flatMap((target) => ours.map((host) => target.replaceAll('console.test', host))),
    )
    const targets = [...new Set(all)].filter((target) => fits(target) && !target.startsWith(`${site.origin}/x`))
    expect(targets.length).toBeGreaterThan(200)
    const placeAfter = async (to: string) => {
      const browser = newBrowser()
      let page = await browser.navigate(`${site.origin}${paths.login}?to=${encodeURIComponent(to)}`)
      while (page.redirect && page.url.pathname !== paths.callback)
        page = await browser.navigate(page.redirect, { from: page })
      return [to, page.status, page.headers.location]
    }
    for (let from = 0; from < targets.length; from += 8) {
      const some = targets.slice(from, from + 8)
      expect(await Promise.all(some.map(placeAfter))).toEqual(some.map((to) => [to, 303, '/']))
    }
    for (const good of [paths.whoami, `/.gatehouse/open/team/nb?to=%2Flab%3Fx%3D%2F%2Fevil.test`, `${site.origin}/x?y`])
      expect(await placeAfter(good)).toEqual([good, 303, good])

    const browser = newBrowser()
    await openWhenFound(browser, `${site.origin}/`)
    const handover = async (to: string) => {
      const query = new URLSearchParams({ to, nonce: 'A'.repeat(43) })
      const page = await browser.tab().navigate(`${site.origin}${paths.handover}?${query}`)
      return [to, page.status, page.headers.location]
    }
    for (let from = 0; from < targets.length; from += 8) {
      const some = targets.slice(from, from + 8)
      expect(await Promise.all(some.map(handover))).toEqual(some.map((to) => [to, 400, undefined]))
    }
    const own = new URL(site.url('nb'))
    const [, status, location = ''] = await handover(`${own.href}lab?x=//evil.test`)
    expect([status, new URL(String(location)).origin]).toEqual([303, own.origin])
  })

  /** As people of the site's own may: make workspaces, and connect. */
  async function letIn(user: string): Promise<void> {
    const apiGroup = 'rbac.authorization.k8s.io'
    const bindings = ['connects', 'works'].map((role) => ({
      apiVersion: `${apiGroup}/v1`,
      kind: 'RoleBinding',
      metadata: { namespace: site.team, name: `${role}-${user.replaceAll(/\W/g, '-')}` },
      roleRef: { apiGroup, kind: 'Role', name: role },
      subjects: [{ apiGroup, kind: 'User', name: user }],
    }))
    await apply(...bindings)
  }
}
