package awsiid

// Kept returns how many sets of clients and how many roles' credentials are kept.
func (s *SDKClients) Kept() (clients, credentials int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sets.Len(), s.roles.Len()
}
