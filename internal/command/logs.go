package command

import (
	"strconv"

	"gapless/internal/api"
)

// defaultMaxLogs is how many logs an answer has for clients that are not on this
// machine, unless --max-logs says otherwise; nodes have the same limit.
const defaultMaxLogs = 20_000

// maxLogs reads --max-logs for a server that listens at an address: 0 is no limit.
func maxLogs(text, listen string) (int, error) {
	if text == "" {
		if listen == "" || api.Local(listen) {
			return 0, nil
		}
		return defaultMaxLogs, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, usagef("--max-logs is %q: use a number of logs, or 0 for no limit", text)
	}
	return int(n), nil
}
