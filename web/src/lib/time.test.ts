import { expect, test } from 'vitest'

import { briefTime, clockTime, dayOf, sameDay } from './time'

/** A moment of the calendar here, whatever the time zone. */
const local = (...parts: [year: number, month: number, day: number, hour?: number]) => new Date(parts[0], parts[1] - 1, parts[2], parts[3] ?? 12)
const at = (...parts: Parameters<typeof local>) => local(...parts).toISOString()
const now = local(2026, 1, 2)

test('a date has its year where that is not the present one', () => {
  expect(dayOf(at(2025, 12, 31), now)).toContain('2025')
  expect(briefTime(at(2025, 12, 31), now)).toContain('2025')
  expect(dayOf(at(2026, 1, 1), now)).not.toContain('2026')
  expect(briefTime(at(2026, 1, 1), now)).not.toContain('2026')
})

test('today is told by the time of day, though an hour ago may be yesterday', () => {
  expect(briefTime(at(2026, 1, 2, 9), now)).toBe(clockTime(at(2026, 1, 2, 9)))
  expect(briefTime(at(2026, 1, 1, 23), local(2026, 1, 2, 0))).not.toBe(clockTime(at(2026, 1, 1, 23)))
})

test('a day is one of the calendar: neither 24 hours nor the same date of another year', () => {
  expect(sameDay(at(2026, 5, 4, 0), at(2026, 5, 4, 23))).toBe(true)
  expect(sameDay(at(2026, 5, 4, 23), at(2026, 5, 5, 0))).toBe(false)
  // Both are Mondays.
  expect(sameDay(at(2020, 5, 4), at(2026, 5, 4))).toBe(false)
})
