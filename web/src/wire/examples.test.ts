import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { files } from './examples.gen'

const testdata = fileURLToPath(new URL('../../../internal/wire/testdata', import.meta.url))

const onDisk = ['events', 'routes'].flatMap((folder) => readdirSync(`${testdata}/${folder}`).map((name) => `${folder}/${name}`))

test('every example of the server is an example here', () => {
  expect(Object.keys(files).sort()).toEqual(onDisk.sort())
})

test.each(onDisk)('%s holds the same value on both sides', (path) => {
  const want: unknown = JSON.parse(readFileSync(`${testdata}/${path}`, 'utf8'))

  expect(files[path]).toStrictEqual(want)
})
