/** Messages between JupyterLab and a terminal (terminado): JSON arrays, `["stdin","ls\r"]`. */
import { type Sight, sight } from './sight.ts'

/** Bytes of a message that are enough: what a terminal answers by itself is shorter. */
export const terminalHead = 256

/**
 * What xterm.js sends by itself, or for a mouse that only moves: focus in and out, reports of the cursor, the device, modes and colours, and motion
 * without a button (button code 32 and above with 3 in its low bits).
 */
const reports = [
  String.raw`\[[IO]`,
  String.raw`\[\??\d+(?:;\d+)*R`,
  String.raw`\[[?>=]?[\d;]*c`,
  String.raw`\[0n`,
  String.raw`\[\?[\d;]*\$y`,
  String.raw`\[\d+(?:;\d+)*t`,
  String.raw`\][\d;]*;rgba?:[\d/a-fA-F]*(?:\u001b\\|\u0007)`,
  String.raw`P[^\u001b]*\u001b\\`,
  String.raw`\[<(?:35|39|43|47|51|55|59|63);\d+;\d+[Mm]`,
]
const automatic = new RegExp(String.raw`^(?:\u001b(?:${reports.join('|')}))+$`)

/** Is all of this what a terminal says by itself? */
export function isTerminalReport(typed: string): boolean {
  return automatic.test(typed)
}

/** Of what a browser sent; `isWhole`: `head` is all of it. */
export function terminalInputSight(head: Buffer, isWhole: boolean): Sight {
  const text = head.toString()
  if (/^\s*\[\s*"set_size"/.test(text)) return sight('background', 'terminal:set_size')
  if (!/^\s*\[\s*"stdin"/.test(text)) return sight('unknown', 'terminal:other')
  const typed = isWhole ? typedText(text) : undefined
  return typed !== undefined && isTerminalReport(typed)
    ? sight('background', 'terminal:report')
    : sight('interactive', 'terminal:stdin')
}

/** Of what the terminal sent. */
export function terminalOutputSight(head: Buffer): Sight {
  return /^\s*\[\s*"stdout"/.test(head.toString('latin1'))
    ? sight('busy', 'terminal:stdout')
    : sight('background', 'terminal:state')
}

function typedText(message: string): string | undefined {
  try {
    const parts: unknown = JSON.parse(message)
    const typed: unknown = Array.isArray(parts) ? parts[1] : undefined
    return typeof typed === 'string' ? typed : undefined
  } catch {
    return undefined
  }
}
