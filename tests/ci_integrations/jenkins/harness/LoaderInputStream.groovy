/** Reads objects whose classes come from one class loader. */
class LoaderInputStream extends ObjectInputStream {
    private final ClassLoader loader

    LoaderInputStream(InputStream bytes, ClassLoader loader) {
        super(bytes)
        this.loader = loader
    }

    @Override
    protected Class<?> resolveClass(ObjectStreamClass described) {
        try {
            return Class.forName(described.name, false, loader)
        } catch (ClassNotFoundException ignored) {
            return super.resolveClass(described) // such as int
        }
    }
}
