/** Who reads the answer: a person in front of a page, or a program. */
import { isNavigation } from '#http/fetch-metadata.ts'
import type { RequestHead } from '#http/request-head.ts'

/** Will a person see the answer as a page? Other than for a redirect to the login, the method does not matter: a posted form ends in a page too. */
export function isPageLoad(head: RequestHead): boolean {
  return isNavigation('GET', head)
}

/** Does this reader, who asks for something that is both, want the page? JSON has to be asked for by name, or by not asking for HTML. */
export function wantsPage(head: RequestHead): boolean {
  if (isPageLoad(head)) return true
  const accept = head.accept ?? ''
  return accept.includes('text/html') && !accept.includes('json')
}
