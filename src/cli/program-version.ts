/** As package.json has it, which is not there where the command line is one file. Written by `npm run generate`. */
export const programVersion = '0.1.0'
