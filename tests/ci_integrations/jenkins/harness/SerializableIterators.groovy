/**
 * Iterators that can be serialized, since the JDK's cannot. Jenkins brings them as well (IteratorHack of
 * workflow-cps), so that a `for` loop over a list or a set may contain steps.
 */
class SerializableIterators {
    static Iterator iterator(List items) { new SerializableIterator(items) }

    static Iterator iterator(Set items) { new SerializableIterator(items as List) }

    private static class SerializableIterator implements Iterator, Serializable {
        private static final long serialVersionUID = 1L
        private final List items
        private int index = 0

        SerializableIterator(List items) { this.items = items }

        boolean hasNext() { index < items.size() }

        Object next() { items[index++] }

        void remove() { throw new UnsupportedOperationException() }
    }
}
