/** Who somebody is, by issuers that are changed in the WorkspaceManager while the gateway runs: prefixes, claims, groups, two at once. */
import { beforeAll, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import { createScriptedBrowser, type Page, type ScriptedBrowser } from '#test/support/browser-session.ts'
import { apply } from '#test/support/cluster-api.ts'
import { type ClaimsPod, startClaimsPod } from '#test/support/cluster-site/claims-pod.ts'
import { lookupOf } from '#test/support/cluster-site/names.ts'
import { type ClusterSite, openWhenRunning } from '#test/support/cluster-site/site.ts'
import type { EchoAnswer } from '#test/support/echo-container.ts'
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

  /** Tries to log in as what the issuer says; the refusal, as the audit trail has it. */
  async function refusalOf(said: object): Promise<string | undefined> {
    await claims.says(said)
    const browser = newBrowser()
    const { status } = await openWhenFound(browser, `${site.origin}/`)
    expect([400, 403]).toContain(status)
    expect((await browser.navigate(`${site.origin}/`)).status).toBe(302)
    const [replica] = site.replicas
    const lines = (await site.ours(['logs', replica?.pod ?? ''])).split('\n').filter((line) => line.startsWith('{'))
    const denials = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'deny')
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
