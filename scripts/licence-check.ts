/** Which licences dependencies may have. What is shipped may be handed on under MIT without further duties; tools may ask a little more. */

const allowed = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  '0BSD',
  'CC0-1.0',
  'Unlicense',
  'Python-2.0',
  'PSF-2.0',
])
/** For what is used and not shipped. */
const allowedForTools = new Set([...allowed, 'MPL-2.0', 'CC-BY-4.0'])

/** Is the SPDX expression met: one side of an OR, every side of an AND? Anything unknown is not. */
export function isAllowed(expression: string, use: 'shipped' | 'tool'): boolean {
  const known = use === 'shipped' ? allowed : allowedForTools
  const plain = expression.trim().replace(/^\((.*)\)$/, '$1')
  // AND binds closer than OR (SPDX specification, annex D); nested brackets are not read, and so are refused.
  return plain.split(' OR ').some((choice) => choice.split(' AND ').every((licence) => known.has(licence.trim())))
}
