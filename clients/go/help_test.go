package authnzerver

import (
	"context"
	"encoding/json"
	"net"
	"reflect"
	"sync"
)

type dialer = func(context.Context, string, string) (net.Conn, error)

func countDials(dial dialer, lock *sync.Mutex, dialled *int) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		lock.Lock()
		*dialled++
		lock.Unlock()
		return dial(ctx, network, address)
	}
}

func decodeInto(text string, record any) error {
	return decodeRecord(json.RawMessage(text), reflect.ValueOf(record).Elem())
}
