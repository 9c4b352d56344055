package lock_test

import (
	"context"
	"fmt"

	"github.com/tcpctl/tcpctl/lock"
)

func Example() {
	office := lock.NewSemaphore(1) // one conversion at a time

	slot, err := office.Acquire(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, free := office.TryAcquire()
	fmt.Println("a second slot:", free)

	slot.Release()
	fmt.Println("in use:", office.InUse())
	// Output:
	// a second slot: false
	// in use: 0
}
