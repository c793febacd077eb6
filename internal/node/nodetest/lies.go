package nodetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

var (
	// nothing commits to these: see unnoticed in package chain
	uncommitted = []string{"size", "totalDifficulty", "blobGasPrice"}
	// what of these is not told follows from the rest, or is no lie
	droppable = []string{
		"yParity", "chainId", "gasPrice", "effectiveGasPrice", "contractAddress", "logsBloom", "blobGasUsed", "excessBlobGas", "blockHash", "blockNumber",
		"blockTimestamp", "transactionHash", "transactionIndex", "logIndex", "removed", "type", "from", "to", "uncles", "accessList", "withdrawals", "extraData",
	}
)

// Lies gives what is stored of a node's answer and other than that, given both as
// JSON: not what nothing commits to, and not what is absent and follows, or is no lie.
func Lies(want, got []byte) []string {
	var w, g any
	if json.Unmarshal(want, &w) != nil || json.Unmarshal(got, &g) != nil {
		return []string{"not JSON"}
	}
	return differing("", w, g)
}

// isZero reports whether a value is one that a hash proves where it is not told.
func isZero(v any) bool {
	s, ok := v.(string)
	return ok && strings.Trim(strings.TrimPrefix(s, "0x"), "0") == ""
}

func differing(key string, want, got any) (all []string) {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for key, value := range w {
			switch is, ok := g[key]; {
			case slices.Contains(uncommitted, key), !ok && (slices.Contains(droppable, key) || isZero(value)):
			case !ok:
				all = append(all, "no "+key)
			default:
				all = append(all, differing(key, value, is)...)
			}
		}
		return all
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			return []string{fmt.Sprintf("%d of %d %s", len(g), len(w), key)}
		}
		for i := range w {
			all = append(all, differing(key, w[i], g[i])...)
		}
		return all
	}
	if !reflect.DeepEqual(want, got) {
		return []string{fmt.Sprintf("%s is %v, not %v", key, got, want)}
	}
	return nil
}
