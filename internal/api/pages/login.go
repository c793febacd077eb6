package pages

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// login starts a session if the URL carries the token, and leads to a URL without
// it. That a request comes from this machine is no proof of anything: a
// proxy makes every stranger's do so.
func (h *Handler) login(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	if !h.isToken(token) {
		h.tell(w, r, http.StatusForbidden, "Wrong token",
			"The token is a new one each time gapless starts. The log of gapless run has the present URL.")
		return
	}
	h.startSession(w, r)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	lead(w, r, "")
}

func (h *Handler) isToken(token string) bool {
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(h.rest.Token)) // equal lengths for the comparison
	return h.rest.Token != "" && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// withSession lets those change something that have a session, and sent the form
// from a page of this server.
func (h *Handler) withSession(next http.HandlerFunc) http.Handler {
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.may(r) {
			h.tell(w, r, http.StatusForbidden, "Not allowed", "This needs the token: open the URL that gapless run has printed.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, formLimit)
		next(w, r)
	})
	return http.NewCrossOriginProtection().Handler(guarded)
}

// formLimit is how long a form may be, in bytes.
const formLimit = 16 << 10
