/** What every page of Gatehouse's own has to hold to, asked of the page as the browser has it. */
import type { BrowserContext, Page } from 'playwright-core'

/** Notes what the pages of this context would have done against their policy. Gives what was noted so far. */
export async function watchPolicy(context: BrowserContext): Promise<readonly string[]> {
  const violations: string[] = []
  await context.exposeFunction('noteViolation', (text: string) => void violations.push(text))
  await context.addInitScript(`
    document.addEventListener('securitypolicyviolation', (event) => {
      noteViolation(location.href + ': ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample)
    })
  `)
  context.on('weberror', (error) => void violations.push(`${error.page()?.url()}: ${error.error().message}`))
  return violations
}

/** Faults in names, structure and contrast of the page; none where it is as it should be. */
export function faultsOf(page: Page): Promise<readonly string[]> {
  return page.evaluate<readonly string[]>(`(${faults})()`)
}

/** WCAG 2.2: 1.4.3 contrast, 1.4.10 reflow, 2.4.2 titles, 2.5.8 target size, 3.1.1 language, 4.1.2 names. */
const faults = `() => {
  const found = []
  const name = (element) => (element.outerHTML.length > 120 ? element.outerHTML.slice(0, 120) + '…' : element.outerHTML)
  const all = (selector) => [...document.querySelectorAll(selector)]
  const isShown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })
    && element.getClientRects().length > 0 && element.closest('.unseen, .skip') === null

  if (document.documentElement.lang === '') found.push('no language')
  if (document.title === '') found.push('no title')
  if (all('h1').filter(isShown).length !== 1) found.push('not one first heading')
  if (all('main').length !== 1) found.push('not one main part')
  const ids = all('[id]').map((element) => element.id)
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push('twice: #' + id)

  let level = 0
  for (const heading of all('h1, h2, h3, h4').filter(isShown)) {
    const next = Number(heading.tagName[1])
    if (next > level + 1) found.push('a heading skips a level: ' + name(heading))
    level = next
  }

  const wide = document.documentElement.scrollWidth
  if (wide > innerWidth) found.push('wider than the window: ' + wide)

  const nameOf = (element) => element.getAttribute('aria-label')
    || [...(element.labels ?? [])].map((label) => label.textContent.trim()).join(' ')
    || (element.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ').trim()
    || (element.matches('input, select, textarea') ? '' : element.textContent.trim())
  for (const element of all('a[href], button, summary, input:not([type=hidden]), select, textarea, dialog[open]').filter(isShown)) {
    if (nameOf(element) === '') found.push('has no name: ' + name(element))
    const { width, height } = element.getBoundingClientRect()
    const isInText = getComputedStyle(element).display === 'inline'
    if (!isInText && (width < 24 || height < 24) && !element.matches('[type=checkbox]')) {
      found.push('too small to hit: ' + Math.round(width) + ' x ' + Math.round(height) + ' ' + name(element))
    }
  }
  for (const image of all('img')) if (!image.hasAttribute('alt')) found.push('no text for: ' + name(image))

  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = color
    canvas.fillRect(0, 0, 1, 1)
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data
    return [r, g, b, a / 255]
  }
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1]
  const backgroundOf = (element) => element === null
    ? rgba(getComputedStyle(document.documentElement).colorScheme.includes('dark') && matchMedia('(prefers-color-scheme: dark)').matches ? '#121212' : '#fff')
    : over(rgba(getComputedStyle(element).backgroundColor), backgroundOf(element.parentElement))
  const light = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    return 0.2126 * R + 0.7152 * G + 0.0722 * B
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (walker.currentNode.data.trim() === '' || !isShown(element) || element.closest('[aria-hidden=true], [disabled], noscript, script')) continue
    const style = getComputedStyle(element)
    const background = backgroundOf(element)
    const [one, other] = [light(over(rgba(style.color), background)), light(background)]
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
    const isLarge = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700)
    if (contrast < (isLarge ? 3 : 4.5)) found.push('contrast ' + contrast.toFixed(2) + ' of: ' + walker.currentNode.data.trim().slice(0, 60))
  }
  return [...new Set(found)]
}`

/** Moves the focus by Tab until it is on something of this name. Throws when it is not seen where the focus is, or it is never reached. */
export async function tabTo(page: Page, name: string | RegExp): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab')
    const focus = await page.evaluate<{ name: string; isSeen: boolean }>(focused)
    if (!focus.isSeen) throw new Error(`the focus is not seen on ${focus.name}`)
    if (typeof name === 'string' ? focus.name === name : name.test(focus.name)) return
  }
  throw new Error(`${name} is not reached by Tab`)
}

/** The names of all that Tab stops at, in order, from where the focus is. Throws where the focus is not seen. */
export async function focusOrder(page: Page): Promise<readonly string[]> {
  const names: string[] = []
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab')
    const focus = await page.evaluate<{ name: string; isSeen: boolean }>(focused)
    if (!focus.isSeen) throw new Error(`the focus is not seen on ${focus.name}`)
    if (focus.name === '' || focus.name === names[0]) return names
    names.push(focus.name)
  }
  throw new Error(`the focus does not come round: ${names.join(', ')}`)
}

const focused = `(() => {
  const element = document.activeElement
  if (element === document.body || element === null) return { name: '', isSeen: true }
  const style = getComputedStyle(element)
  const name = element.getAttribute('aria-label') ?? (element.labels?.length ? element.labels[0].textContent : element.textContent)
  const isSeen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && element.getClientRects().length > 0
  return { name: name.trim().replace(/\\s+/g, ' '), isSeen }
})()`
