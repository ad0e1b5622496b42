package wire

import "time"

// A Session is one of a person's logins, as they see it.
type Session struct {
	SessionID  string    `json:"sessionId"`
	Device     string    `json:"device"` // Desktop, Mobile, Tablet or Unknown device
	Browser    string    `json:"browser"`
	OS         string    `json:"os"`
	IPAddress  string    `json:"ipAddress"`
	Location   *string   `json:"location"` // always null
	CreatedAt  time.Time `json:"createdAt"`
	LastActive time.Time `json:"lastActive"`
	IsCurrent  bool      `json:"isCurrent"` // the one that asks
}

// TwoFactorSetup is what an authenticator app is set up with. It is in force once a code of
// the app has been verified.
type TwoFactorSetup struct {
	Secret      string   `json:"secret"`      // base32
	QRCode      string   `json:"qrCode"`      // a data URL of a PNG
	BackupCodes []string `json:"backupCodes"` // each works once in place of a code
	Message     string   `json:"message"`
}

// OneTimeCode is a code of the authenticator.
type OneTimeCode struct {
	Token string `json:"token"` // six digits
}

// TwoFactorOn says that the second factor is in force.
type TwoFactorOn struct {
	Message     string   `json:"message"`
	BackupCodes []string `json:"backupCodes"` // those of the set-up, shown for the last time
}

// TwoFactorStatus says whether an account has a second factor.
type TwoFactorStatus struct {
	Enabled              bool `json:"enabled"`
	BackupCodesRemaining int  `json:"backupCodesRemaining"`
}
