package pages

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A browser that was given the token has a session: a cookie that says until when,
// signed by the key of the file, so that it outlives the process and its token. It
// goes with no request that another site makes, and no script can read it.

// sessionLasts is how long a session lasts.
const sessionLasts = 30 * 24 * time.Hour

// startSession gives a browser a session. The cookie goes to the path of the
// request's folder: under which path the browser sees that, it knows best.
func (h *Handler) startSession(w http.ResponseWriter, r *http.Request) {
	until := strconv.FormatInt(time.Now().Add(sessionLasts).Unix(), 10)
	http.SetCookie(w, &http.Cookie{
		Name: h.cookieName(), Value: until + "." + h.sign(until), MaxAge: int(sessionLasts.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure(r),
	})
}

// cookieName is another one for each file: a browser has the same cookies for all
// ports of a host.
func (h *Handler) cookieName() string { return "gapless_" + h.sign("name")[:12] }

func (h *Handler) sign(text string) string {
	mac := hmac.New(sha256.New, []byte(h.rest.SessionKey))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// secure reports whether a browser came by TLS. A client that says so and did not
// never gets to send its cookie, so anybody is believed.
func secure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// may reports whether a request is one of a session.
func (h *Handler) may(r *http.Request) bool {
	if h.rest.SessionKey == "" {
		return false
	}
	for _, c := range r.CookiesNamed(h.cookieName()) { // several, with other paths
		until, signature, _ := strings.Cut(c.Value, ".")
		end, err := strconv.ParseInt(until, 10, 64)
		if err == nil && time.Now().Unix() < end && hmac.Equal([]byte(signature), []byte(h.sign(until))) {
			return true
		}
	}
	return false
}
