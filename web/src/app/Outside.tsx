import { Link, Navigate, Route, Routes, useLocation } from 'react-router'

import { LogIn } from '../features/people/LogIn'
import { SignUp } from '../features/people/SignUp'
import type { Session } from '../lib/session'

/** What somebody sees who is not logged in. */
export function Outside({ session, reason }: { session: Session; reason: string | undefined }) {
  const { search } = useLocation() // kept, so that a link leads to its conversation after the login
  return (
    <main className="outside">
      <div className="card">
        <p className="brand">Pryde</p>
        {reason && (
          <p role="status" className="notice">
            {reason}
          </p>
        )}
        <Routes>
          <Route
            path="/signup"
            element={
              <>
                <title>Sign up · Pryde</title>
                <h1>Sign up</h1>
                <SignUp session={session} />
                <p>
                  Already here? <Link to={`/login${search}`}>Log in</Link>
                </p>
              </>
            }
          />
          <Route
            path="/login"
            element={
              <>
                <title>Log in · Pryde</title>
                <h1>Log in</h1>
                <LogIn session={session} />
                <p>
                  New here? <Link to={`/signup${search}`}>Sign up</Link>
                </p>
              </>
            }
          />
          <Route path="*" element={<Navigate to={`/login${search}`} replace />} />
        </Routes>
      </div>
    </main>
  )
}
