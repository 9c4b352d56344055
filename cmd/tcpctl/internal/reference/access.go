package reference

func (s *source) accessLog() ([]byte, error) {
	m := newMarkdown("Access log", "`access` in `[log]` names a file of JSON objects, one per line. Each session gets one at its end, and one every `access_flush` while it is live, so that the bytes of a long session show before it ends. "+
		"After a rotation, signal USR1 reopens the file.")
	for _, part := range []struct{ name, title, about string }{
		{"access.ended", "A session that has ended", "`ended_by` and `reason` say how it ended; see [events](events.md) for the reasons."},
		{"access.ongoing", "A session that goes on", "It has `\"ongoing\": true`, and its numbers are those so far."},
	} {
		m.heading(2, part.title)
		m.text(part.about)
		rows, err := s.rows(part.name)
		if err != nil {
			return nil, err
		}
		m.table([]string{"Field", "Type", "Meaning"}, rows)
	}
	return m.Bytes(), nil
}
