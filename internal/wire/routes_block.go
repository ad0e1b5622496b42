package wire

import "net/http"

// Routes of blocks, and of what others may do.
var (
	PostBlock     = route[Blocking, Blocked](http.MethodPost, "/api/blocks", Bearer, "Block a person. Where you do already, 200 answers with the block.", created)
	GetBlocks     = route[None, []BlockedPerson](http.MethodGet, "/api/blocks", Bearer, "Whom you block, newest first.")
	GetBlockCheck = route[None, BlockCheck](http.MethodGet, "/api/blocks/check/{idOrUsername}", Bearer, "Whether you block a person.")
	DeleteBlock   = route[None, Unblocked](http.MethodDelete, "/api/blocks/{userId}", Bearer, "End a block of yours.")

	GetPrivacy   = route[None, PrivacySettings](http.MethodGet, "/api/privacy/settings", Bearer, "What others may do.")
	PatchPrivacy = route[PrivacyChange, PrivacyChanged](http.MethodPatch, "/api/privacy/settings", Bearer, "Change what others may do.")
)
