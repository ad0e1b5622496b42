package wire

import "time"

// Health answers a health check.
type Health struct {
	Status    string    `json:"status"` // always "ok"
	Message   string    `json:"message"`
	Redis     bool      `json:"redis"` // whether a Redis is in use; none is
	Timestamp time.Time `json:"timestamp"`
}

// Version says which version of the server answers.
type Version struct {
	Version   string    `json:"version"`
	Timestamp time.Time `json:"timestamp"`
}

// VersionStatus tells a page whether it may go on as it is.
type VersionStatus struct {
	PWAEnabled         bool       `json:"pwaEnabled"`
	MinFrontendVersion string     `json:"minFrontendVersion"`
	ForceReload        bool       `json:"forceReload"` // true makes the page load itself again
	Message            *string    `json:"message"`
	BackendVersion     string     `json:"backendVersion"`
	Timestamp          time.Time  `json:"timestamp"`
	MaintenanceMode    bool       `json:"maintenanceMode"` // true hides the page
	MaintenanceETA     *time.Time `json:"maintenanceETA"`
}

// Succeeded says that what was asked for is done.
type Succeeded struct {
	Success bool `json:"success"` // always true
}
