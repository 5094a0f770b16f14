/**
 * What people and programs do in the recorded runs, and what is true of it: written down before anything was recorded. Every second one is held out
 * while the rules are written.
 */
import type { AppProfile } from '#activity/profile.ts'

/**
 * `does`: somebody works. `looks`: somebody is there, and what he does changes nothing, so that it may be seen and need not. `no`: nobody, or nobody
 * who does anything.
 */
export type Person = 'does' | 'looks' | 'no'

export interface Label {
  readonly app: Extract<AppProfile, 'jupyterlab' | 'code-editor'>
  readonly name: string
  readonly person: Person
  /** Something runs. `undefined`: it is not what this one is about. */
  readonly work: boolean | undefined
  readonly isHeldOut: boolean
}

type Row = readonly [name: string, person: Person, work?: boolean]

const jupyterlab: readonly Row[] = [
  ['a notebook is open, and nobody touches it', 'no', false],
  ['nothing is open but the launcher', 'no', false],
  ['somebody types in a cell, and leaves it to be saved by itself', 'does'],
  ['somebody types in a cell of text, and leaves it to be saved by itself', 'does'],
  ['a cell is run', 'does', true],
  ['a cell is run that takes some seconds and prints', 'does', true],
  ['a cell runs on that was started before, and prints', 'no', true],
  ['a cell runs on that was started before, and says nothing', 'no', true],
  ['a cell that was started before comes to its end', 'no', true],
  ['a notebook is saved', 'does'],
  ['a text is changed and saved', 'does'],
  ['a text is opened from the list of files', 'does'],
  ['a picture of numbers is opened from the list of files', 'does'],
  ['a notebook is opened from the list of files', 'does'],
  ['a new text is made', 'does'],
  ['a new notebook is made', 'does'],
  ['a file is given another name', 'does'],
  ['a file is deleted', 'does'],
  ['a folder is made', 'does'],
  ['files are uploaded', 'does'],
  ['a terminal is opened', 'does'],
  ['a key is pressed in a terminal', 'does'],
  ['a command is typed in a terminal', 'does'],
  ['a terminal is open at its prompt', 'no', false],
  ['a program prints in a terminal', 'no', true],
  ['a program prints now and then in a terminal', 'no', true],
  ['a program in a terminal asks where the cursor is', 'no', true],
  ['a program in a terminal asks for the focus, which goes and comes', 'looks'],
  ['the window with a terminal is made smaller', 'looks'],
  ['a word is completed', 'does'],
  ['a function is looked up', 'does'],
  ['a kernel is interrupted', 'does'],
  ['a kernel is restarted', 'does'],
  ['a cell asks for input, and nobody answers', 'no', false],
  ['an answer is given to a cell that asks for it', 'does'],
  ['a notebook is saved by itself after its kernel has printed', 'no'],
  ['the page is loaded again by the browser', 'no', false],
  ['the connections are cut, and the page comes back by itself', 'no', false],
  ['the page is hidden', 'no', false],
  ['the mouse is moved over the page', 'looks', false],
  ['a notebook is scrolled', 'looks', false],
  ['another tab is shown', 'looks', false],
  ['words are searched for in a notebook', 'looks', false],
  ['all cells are run', 'does', true],
  ['a line is run in a console', 'does', true],
  ['a kernel is shut down', 'does'],
]

const codeEditor: readonly Row[] = [
  ['the workbench is open, and nobody touches it', 'no', false],
  ['a file is open, and nobody touches it', 'no', false],
  ['somebody types in a file', 'does'],
  ['somebody types in a script', 'does'],
  ['a file is saved', 'does'],
  ['a file is opened from the explorer', 'does'],
  ['a file is opened by its name', 'does'],
  ['the cursor is moved by keys', 'does'],
  ['a word is clicked', 'does'],
  ['words are completed', 'does'],
  ['words are searched for in all files', 'does'],
  ['a command is chosen from the palette', 'does'],
  ['a new file is made', 'does'],
  ['a file is given another name', 'does'],
  ['a file is deleted', 'does'],
  ['a terminal is opened', 'does'],
  ['a key is pressed in a terminal', 'does'],
  ['a command is typed in a terminal', 'does'],
  ['a terminal is open at its prompt', 'no', false],
  ['a program prints in a terminal', 'no', true],
  ['another file is shown', 'looks'],
  ['a file is scrolled', 'looks'],
  ['the mouse is moved over the page', 'looks', false],
  ['the window is made smaller', 'looks', false],
  ['the page is hidden', 'no', false],
  ['a program changes a file that is open', 'no', false],
  ['a program writes to a log that is open', 'no', false],
  ['a program makes and deletes files', 'no', false],
  ['the extension host says that it lives, and nobody is there', 'no', false],
  ['the connections are cut, and the page comes back by itself', 'no', false],
  ['the page is loaded again by the browser', 'no', false],
  ['what was typed is saved by itself', 'does'],
]

export const labels: readonly Label[] = [
  ...jupyterlab.map((row, index) => labelOf('jupyterlab', row, index)),
  ...codeEditor.map((row, index) => labelOf('code-editor', row, index)),
]

function labelOf(app: Label['app'], [name, person, work]: Row, index: number): Label {
  return { app, name, person, work, isHeldOut: index % 2 === 1 }
}
