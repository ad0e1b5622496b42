import { expect, test } from 'vitest'

import { addressOf } from './http'

test('parameters are part of the path and cannot leave it', () => {
  expect(addressOf('PUT /api/messages/{id}/read', { id: '../a?b' })).toEqual(['PUT', '/api/messages/..%2Fa%3Fb/read'])
})

test('a query has what is given', () => {
  expect(addressOf('GET /api/messages/{userId}', { userId: 'u' }, { before: 'm&1', limit: undefined })).toEqual(['GET', '/api/messages/u?before=m%261'])
})
