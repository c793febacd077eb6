package chain

import "fmt"

// Restore makes a block whose fields, Shapes and Extras were read from the
// database what it was when it was decoded: it reads the Extras and computes
// the receipts' blooms that were not stored because they follow from the logs.
func (b *Block) Restore() error {
	d := newDecoder()
	defer d.free()
	if err := restoreObject(d, blockFields, b, &b.Object); err != nil {
		return fmt.Errorf("block %d: %w", b.Number, err)
	}
	for i := range b.Uncles {
		if err := restoreObject(d, uncleFields, &b.Uncles[i], &b.Uncles[i].Object); err != nil {
			return fmt.Errorf("block %d: uncle %d: %w", b.Number, i, err)
		}
	}
	for i := range b.Withdrawals {
		if err := restoreObject(d, withdrawalFields, &b.Withdrawals[i], &b.Withdrawals[i].Object); err != nil {
			return fmt.Errorf("block %d: withdrawal %d: %w", b.Number, i, err)
		}
	}
	logs := 0
	for i := range b.Transactions {
		if err := b.restoreTransaction(d, i, logs); err != nil {
			return fmt.Errorf("block %d: transaction %d: %w", b.Number, i, err)
		}
		logs += len(b.Transactions[i].Receipt.Logs)
	}
	return nil
}

// RestoreTransaction does the same for a transaction alone, without its receipt.
// Of the block only hash, number and timestamp are needed.
func (b *Block) RestoreTransaction(tx *Transaction, index int) error {
	d := newDecoder()
	defer d.free()
	return restoreObject(d, transactionFields, &transactionView{block: b, tx: tx, index: index}, &tx.Object)
}

func (b *Block) restoreTransaction(d *decoder, i, logs int) error {
	tx := &b.Transactions[i]
	v := &transactionView{block: b, tx: tx, index: i, logs: logs}
	if err := restoreObject(d, transactionFields, v, &tx.Object); err != nil {
		return err
	}
	for j := range tx.Receipt.Logs {
		log := &tx.Receipt.Logs[j]
		view := &logView{transactionView: *v, log: log, logIndex: logs + j}
		if err := restoreObject(d, logFields, view, &log.Object); err != nil {
			return err
		}
	}
	if err := restoreObject(d, receiptFields, v, &tx.Receipt.Object); err != nil {
		return err
	}
	tx.Receipt.FillBloom()
	return b.checkReceipt(tx, i)
}

// receiptBloomAbsent is the bit of logsBloom in a receipt's Shape.
const receiptBloomAbsent = 1 << 8
