import type { Time } from '../wire/wire.gen'

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const date = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const dateWithYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })
const shortDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const shortDateWithYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' })

/** The time of day. */
export const clockTime = (time: Time): string => clock.format(new Date(time))

/** Whether two times are of the same calendar day here. */
export const sameDay = (a: Time, b: Time): boolean => sameDate(new Date(a), new Date(b))

/** The day as a heading, with its year where that is not the present one. */
export function dayOf(time: Time, now = new Date()): string {
  const then = new Date(time)
  return (sameYear(then, now) ? date : dateWithYear).format(then)
}

/** The time of day for today, else the date, with its year where that is not the present one. */
export function briefTime(time: Time, now = new Date()): string {
  const then = new Date(time)
  if (sameDate(then, now)) return clock.format(then)
  return (sameYear(then, now) ? shortDate : shortDateWithYear).format(then)
}

const sameYear = (a: Date, b: Date) => a.getFullYear() === b.getFullYear()
const sameDate = (a: Date, b: Date) => sameYear(a, b) && a.getMonth() === b.getMonth() && a.getDate() === b.getDate()
